using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Metrics;

/// <summary>A process that computes on a GPU.</summary>
/// <param name="Pid">as the host counts; 0 where the driver does not say</param>
/// <param name="ContainerId">64 hex digits; null where it runs in no container, or that cannot be seen</param>
/// <param name="MemoryBytes">0 where the driver does not say</param>
public sealed record GpuProcess(string GpuUuid, int Pid, string? ContainerId, long MemoryBytes, string Name);

/// <summary>
/// The GPU probe's second question: who computes? It runs beside the first in one container, which sees its host's
/// processes, since the driver tells them to nobody else; a process' control group names its container. Pure.
/// </summary>
public static partial class GpuApps
{
    /// <summary>Ends a round: what was not told again is gone.</summary>
    private const string End = "apps";
    private const string Mark = "app|";

    // Builtins but for nvidia-smi and sleep. The longest control group is the container's: others may stand at the top.
    public const string Script = """
        apps() {
            while :; do
                nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory,process_name --format=csv,noheader,nounits 2> /dev/null |
                while IFS=, read -r uuid pid memory name; do
                    group=
                    while IFS= read -r line; do
                        [ ${#line} -le ${#group} ] || group=$line
                    done 2> /dev/null < "/proc/${pid# }/cgroup"
                    echo "app|$uuid|${pid# }|${memory# }|$group|${name# }"
                done 2> /dev/null
                echo apps
                sleep 5
            done
        }
        apps &
        """;

    public static bool IsOurs(string line) => line == End || line.StartsWith(Mark, StringComparison.Ordinal);

    public static bool EndsRound(string line) => line == End;

    /// <summary>Null for what is none, such as the driver's own complaint.</summary>
    public static GpuProcess? Parse(string line)
    {
        var f = line.Split('|', 6);
        if (f.Length != 6 || !GpuProbe.IsUuid(f[1]))
        {
            return null;
        }
        _ = int.TryParse(f[2], NumberStyles.None, CultureInfo.InvariantCulture, out var pid);
        _ = long.TryParse(f[3], NumberStyles.None, CultureInfo.InvariantCulture, out var mebibytes);
        var container = ContainerId().Match(f[4]);
        return new GpuProcess(
            f[1],
            pid,
            container.Success ? container.Value : null,
            mebibytes is > 0 and < 1 << 30 ? mebibytes << 20 : 0,
            f[5].Length > 100 ? f[5][..100] : f[5]
        );
    }

    [GeneratedRegex("[0-9a-f]{64}", RegexOptions.NonBacktracking)]
    private static partial Regex ContainerId();
}
