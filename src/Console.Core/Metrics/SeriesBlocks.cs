namespace DeepLab.Core.Metrics;

public static class SeriesBlocks
{
    public static IReadOnlyList<SeriesPoint> Unpack(SeriesBlock block) => throw new NotSupportedException("not built yet");
}
