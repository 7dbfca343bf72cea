using System.Globalization;
using DeepLab.Core.Clusters;
using DeepLab.Core.Metrics;

namespace DeepLab.Core.Reconcile;

/// <summary>A running container of ours, by inspect.</summary>
/// <param name="AttemptId">null where its labels name none</param>
public sealed record LedgerContainer(string Id, string Name, long? AttemptId, IReadOnlyList<string> Gpus);

/// <summary>What three witnesses say of one host's GPUs.</summary>
/// <param name="Gpus">as recorded</param>
/// <param name="Leases">GPU to the attempt that holds it</param>
/// <param name="Inventory">what the probe lists; null where it has told nothing in this session</param>
/// <param name="Processes">what the probe sees computing</param>
public sealed record LedgerView(
    IReadOnlyList<Gpu> Gpus,
    IReadOnlyDictionary<string, long> Leases,
    IReadOnlyList<LedgerContainer> Containers,
    IReadOnlyList<GpuInventoryRow>? Inventory,
    IReadOnlyList<GpuProcess> Processes
);

/// <param name="Evidence">a sentence; empty while healthy</param>
public sealed record GpuVerdict(GpuHealth Health, string Evidence);

/// <summary>The ledger of every GPU: lease, device request and process must agree. Pure; the same view is the same verdict.</summary>
public static class Ledger
{
    public static IReadOnlyDictionary<string, GpuVerdict> Judge(LedgerView view)
    {
        var listed = view.Inventory?.ToDictionary(r => r.Uuid, StringComparer.Ordinal);
        return view.Gpus.ToDictionary(g => g.Uuid, g => Judge(view, listed, g), StringComparer.Ordinal);
    }

    /// <summary>
    /// A leak or a squatter counts when it is seen twice: between the end of a container and that of its lease, or of its
    /// last process, lies a moment in which they do not agree.
    /// </summary>
    /// <param name="before">the verdicts of the last look, before this was applied; null = there was none</param>
    public static IReadOnlyDictionary<string, GpuVerdict> Steady(
        IReadOnlyDictionary<string, GpuVerdict>? before,
        IReadOnlyDictionary<string, GpuVerdict> now,
        IReadOnlyList<Gpu> recorded
    )
    {
        var health = recorded.ToDictionary(g => g.Uuid, StringComparer.Ordinal);
        return now.ToDictionary(
            v => v.Key,
            v =>
                v.Value.Health is not (GpuHealth.Leaked or GpuHealth.Squatted)
                || v.Value.Health == before?.GetValueOrDefault(v.Key)?.Health
                || v.Value.Health == health[v.Key].Health
                    ? v.Value
                    : new GpuVerdict(health[v.Key].Health, health[v.Key].HealthMessage),
            StringComparer.Ordinal
        );
    }

    /// <summary>Containers of ours that run with this GPU and hold no lease on it.</summary>
    public static IEnumerable<LedgerContainer> Leaking(LedgerView view, string gpu) =>
        view.Containers.Where(c => c.Gpus.Contains(gpu, StringComparer.Ordinal) && !Holds(view, c, gpu));

    private static GpuVerdict Judge(LedgerView view, Dictionary<string, GpuInventoryRow>? listed, Gpu gpu)
    {
        if (gpu.Health == GpuHealth.Fenced)
        {
            return new GpuVerdict(GpuHealth.Fenced, gpu.HealthMessage);
        }
        if (WhatIsSick(listed, gpu) is { } trouble)
        {
            return new GpuVerdict(GpuHealth.Sick, trouble);
        }
        var leaking = Leaking(view, gpu.Uuid).OrderBy(c => c.Name, StringComparer.Ordinal).FirstOrDefault();
        if (leaking is not null)
        {
            // Until it is gone, what an admin said of it stands
            return gpu.Health is GpuHealth.Evicting or GpuHealth.Adopted
                ? new GpuVerdict(gpu.Health, gpu.HealthMessage)
                : new GpuVerdict(GpuHealth.Leaked, $"container {leaking.Name} runs with it and holds no lease");
        }
        var stranger = view
            .Processes.Where(p => p.GpuUuid == gpu.Uuid && IsStranger(view, p))
            .OrderBy(p => p.Pid)
            .FirstOrDefault();
        return stranger is null ? new GpuVerdict(GpuHealth.Healthy, "")
            : gpu.Health == GpuHealth.Adopted ? new GpuVerdict(GpuHealth.Adopted, gpu.HealthMessage)
            : new GpuVerdict(GpuHealth.Squatted, Describe(stranger));
    }

    private static string? WhatIsSick(Dictionary<string, GpuInventoryRow>? listed, Gpu gpu)
    {
        if (listed is null)
        {
            // Nothing new is known of it
            return gpu.Health == GpuHealth.Sick ? gpu.HealthMessage : null;
        }
        return listed.TryGetValue(gpu.Uuid, out var row) ? row.Trouble : "the probe no longer lists it";
    }

    private static bool Holds(LedgerView view, LedgerContainer container, string gpu) =>
        container.AttemptId is { } attempt && view.Leases.TryGetValue(gpu, out var holder) && holder == attempt;

    /// <summary>Of a process whose container cannot be seen, only one on a GPU that nobody holds is surely a stranger.</summary>
    private static bool IsStranger(LedgerView view, GpuProcess process) =>
        process.ContainerId is { } id
            ? !view.Containers.Any(c => c.Id == id && Holds(view, c, process.GpuUuid))
            : !view.Leases.ContainsKey(process.GpuUuid);

    private static string Describe(GpuProcess process)
    {
        var where = process.ContainerId is { } id ? $", container {id[..12]}," : "";
        var held =
            process.MemoryBytes > 0
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $" with {process.MemoryBytes / (1024.0 * 1024 * 1024):0.0} GiB"
                )
                : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"process {process.Pid} ({process.Name}){where} computes on it{held}, and nobody leased it for that"
        );
    }
}
