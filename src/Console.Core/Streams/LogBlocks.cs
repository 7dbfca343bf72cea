namespace DeepLab.Core.Streams;

public static class LogBlocks
{
    public static IEnumerable<LogLine> Decode(LogBlock block) => throw new NotSupportedException("not built yet");
}
