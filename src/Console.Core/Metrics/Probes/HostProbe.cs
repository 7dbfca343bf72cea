using System.Globalization;

namespace DeepLab.Core.Metrics;

/// <summary>One line of the host probe: counters of the processors in ticks since the host's start, and bytes.</summary>
/// <param name="BusyTicks">all processors together</param>
/// <param name="TotalTicks">the same, with idle time</param>
public sealed record HostLine(
    int Cpus,
    long BusyTicks,
    long TotalTicks,
    long MemoryTotal,
    long MemoryAvailable,
    long DiskTotal,
    long DiskUsed
);

/// <summary>
/// The host probe: a shell that reads what a container sees of its host. /proc/stat and /proc/meminfo are the host's, and
/// `/` lies on the file system of the engine's data.
/// </summary>
public static class HostProbe
{
    // Builtins but for df and sleep. Values in kB as the kernel says them.
    private const string Script = """
        cpus=0
        while read -r name rest; do case $name in cpu[0-9]*) cpus=$((cpus + 1)) ;; esac; done < /proc/stat
        while :; do
            read -r name user nice system idle iowait irq softirq steal rest < /proc/stat
            busy=$((user + nice + system + irq + softirq + ${steal:-0}))
            total=$((busy + idle + iowait))
            memory=0 available=0
            while read -r name value rest; do
                case $name in MemTotal:) memory=$value ;; MemAvailable:) available=$value; break ;; esac
            done < /proc/meminfo
            disk=$(df -P -k / | while read -r name size used rest; do [ "$name" = Filesystem ] || echo "$size $used"; done)
            echo "host $cpus $busy $total $memory $available $disk"
            sleep 2
        done
        """;

    public static IReadOnlyList<string> Command { get; } = ["sh", "-c", Script];

    /// <summary>Null for a line that is not the probe's.</summary>
    public static HostLine? Parse(string line)
    {
        var f = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (f.Length != 8 || f[0] != "host")
        {
            return null;
        }
        var n = new long[7];
        for (var i = 0; i < n.Length; i++)
        {
            if (
                !long.TryParse(f[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out n[i])
                || n[i] > long.MaxValue >> 10
            )
            {
                return null;
            }
        }
        return new HostLine(
            (int)Math.Min(n[0], int.MaxValue),
            n[1],
            n[2],
            n[3] << 10,
            n[4] << 10,
            n[5] << 10,
            n[6] << 10
        );
    }

    /// <summary>What happened between two lines; null where no time went by, or the host was started anew.</summary>
    public static HostReading? Between(HostLine before, HostLine now, Guid hostId, DateTimeOffset at)
    {
        var total = now.TotalTicks - before.TotalTicks;
        var busy = now.BusyTicks - before.BusyTicks;
        return total <= 0 || busy < 0
            ? null
            : new HostReading(
                hostId,
                at,
                Math.Min((double)busy / total, 1) * now.Cpus,
                now.MemoryTotal - now.MemoryAvailable,
                now.DiskUsed,
                now.DiskTotal
            );
    }
}
