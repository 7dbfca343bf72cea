namespace DeepLab.Core.Workloads;

public sealed record CodeLimits(long CompressedBytes)
{
    public static CodeLimits Default { get; } = new(100L << 20);
}

public sealed record CodeReport(int Entries, long UnpackedBytes, IReadOnlyList<SpecError> Errors);

public static class CodeArchives
{
    public static Task<CodeReport> InspectAsync(Stream targz, CodeLimits limits, CancellationToken ct) => throw new NotSupportedException("not built yet");
}
