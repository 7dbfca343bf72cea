namespace DeepLab.Core.Workloads;

public sealed record SpecReading(JobSpec? Spec, IReadOnlyList<SpecError> Errors);

public static class SpecReader
{
    public static SpecReading Read(string json) => throw new NotSupportedException("not built yet");
}

public static class SpecWriter
{
    public static string Write(JobSpec spec) => throw new NotSupportedException("not built yet");
}
