using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;

namespace DeepLab.Web.Wording;

/// <summary>What a job could take at this moment, by the same rule as the planner's.</summary>
public static class Vacancy
{
    /// <summary>The GPU alone; whether its host takes work is <see cref="HostView.Closed"/>.</summary>
    public static bool IsFree(this GpuView gpu) => !gpu.Held && gpu.Health == GpuHealth.Healthy;

    public static int FreeGpus(this HostView host) => host.Closed is null ? host.Gpus.Count(g => g.IsFree()) : 0;

    public static int FreeGpus(this IEnumerable<HostView> hosts) => hosts.Sum(h => h.FreeGpus());

    public static int GpusInTrouble(this IEnumerable<HostView> hosts) =>
        hosts.Sum(h => h.Gpus.Count(g => g.Health != GpuHealth.Healthy));

    /// <summary>Why a host takes no new work, as a whole sentence; null where it does.</summary>
    public static string? WhyClosed(this HostView host) =>
        host.Closed is { } closed ? Sentences.Ended($"{host.Name} {closed}") : null;
}
