namespace DeepLab.Core.Streams;

internal static class Backoff
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Doubles with each failure up to <paramref name="longest"/>; a random half of it, so that all collectors of a host
    /// that came back do not knock at once.
    /// </summary>
    public static TimeSpan After(int failures, TimeSpan longest)
    {
        var full = Math.Min(First.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 20)), longest.TotalMilliseconds);
#pragma warning disable CA5394 // spreading load, not guarding anything
        return TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }
}
