using System.Globalization;

namespace DeepLab.Core.Engines;

/// <summary>
/// A container of the console's own that sees a job's checkpoints and nothing else, has no network, and runs as programs do: to
/// look into their folder, or take something away, while none of the job's own containers runs. It ends by itself.
/// </summary>
public static class FolderVisits
{
    public const string Kind = "visit";
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(10);

    /// <param name="name">of the container; the same name is the same visit</param>
    /// <param name="ownVolume">name of the job's own volume; null where it has none</param>
    /// <param name="mount">the lab's volume that its checkpoints are on; null where they are on its own</param>
    /// <param name="target">where either is mounted</param>
    public static ContainerPlan Make(
        string installId,
        long workloadId,
        string name,
        string image,
        string? ownVolume,
        PlannedMount? mount,
        string target
    ) =>
        new()
        {
            Name = name,
            Image = image,
            Command = ["sleep", ((int)s_longest.TotalSeconds).ToString(CultureInfo.InvariantCulture)],
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [Labels.Install] = installId,
                [Labels.Probe] = Kind,
                [Labels.Workload] = workloadId.ToString(CultureInfo.InvariantCulture),
            },
            Cpus = 0.5,
            Memory = 128 << 20,
            Shm = 1 << 20,
            Hostname = "visit",
            Network = "none",
            CheckpointVolume = ownVolume,
            CheckpointPath = target,
            Mounts = mount is null ? [] : [mount],
            StopGrace = TimeSpan.FromSeconds(1),
        };

    /// <summary>Runs <paramref name="visit"/> with the id of such a container, which is gone afterwards.</summary>
    /// <param name="start">false where its files are only read by the engine</param>
    public static async Task<T> RunAsync<T>(
        IContainerEngine engine,
        ContainerPlan plan,
        bool start,
        Func<string, Task<T>> visit,
        CancellationToken ct
    )
    {
        var id = await CreateAsync(engine, plan, ct);
        try
        {
            if (start)
            {
                await engine.StartAsync(id, ct);
            }
            return await visit(id);
        }
        finally
        {
            // Also where the caller has given up: it holds the volume
            await RemoveAsync(engine, id);
        }
    }

    /// <summary>One of that name is left over from a visit that nobody finished.</summary>
    public static async Task<string> CreateAsync(IContainerEngine engine, ContainerPlan plan, CancellationToken ct)
    {
        try
        {
            return await engine.CreateAsync(plan, ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NameTaken)
        {
            var left = await engine.InspectAsync(plan.Name, ct);
            if (left is not null && left.Labels.GetValueOrDefault(Labels.Install) == plan.Labels[Labels.Install])
            {
                await engine.RemoveAsync(left.Id, force: true, ct);
            }
            return await engine.CreateAsync(plan, ct);
        }
    }

    public static async Task RemoveAsync(IContainerEngine engine, string id)
    {
        using var bound = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            await engine.RemoveAsync(id, force: true, bound.Token);
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException or OperationCanceledException)
        {
            // The next visit of its name, or the sweep of the host, takes it away
        }
    }
}
