namespace DeepLab.Core.Engines;

/// <summary>Turns an engine's stats sample into ours.</summary>
internal static class UsageSamples
{
    /// <summary>Null for the empty samples that an engine sends for a container that does not run.</summary>
    public static ContainerUsage? From(StatsMessage m)
    {
        if (m.Read.Year < 1970 || m.Cpu?.Usage is not { TotalNanos: > 0 } cpu)
        {
            return null;
        }
        long read = 0;
        long written = 0;
        foreach (var network in m.Networks?.Values ?? Enumerable.Empty<StatsNetwork>())
        {
            read += (long)network.ReadBytes;
            written += (long)network.WriteBytes;
        }
        return new ContainerUsage(
            m.Read,
            cpu.TotalNanos / 1e9,
            MemoryWithoutCache(m.Memory),
            (long)(m.Memory?.Limit ?? 0),
            read,
            written,
            Blocks(m.Blocks, "read"),
            Blocks(m.Blocks, "write"),
            (int)(m.Pids?.Current ?? 0)
        );
    }

    /// <summary>
    /// As `docker stats` counts it: without the page cache that the kernel would give back, which cgroup v1 calls
    /// total_inactive_file and v2 inactive_file.
    /// </summary>
    private static long MemoryWithoutCache(StatsMemory? m)
    {
        var usage = m?.Usage ?? 0;
        var cache = m?.Stats?.TotalInactiveFile ?? m?.Stats?.InactiveFile ?? 0;
        return (long)(cache < usage ? usage - cache : usage);
    }

    private static long Blocks(StatsBlocks? blocks, string op) =>
        (blocks?.Entries ?? [])
            .Where(e => string.Equals(e.Op, op, StringComparison.OrdinalIgnoreCase))
            .Sum(e => (long)e.Value);
}
