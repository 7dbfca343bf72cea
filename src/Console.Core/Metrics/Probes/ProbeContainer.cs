using DeepLab.Core.Engines;

namespace DeepLab.Core.Metrics;

/// <param name="IsFresh">made just now, so that its log may be read from the start</param>
internal sealed record RunningProbe(string Id, bool IsFresh);

/// <summary>A probe had ended before anybody followed it: its engine may have stopped its containers.</summary>
internal sealed class ProbeDiedException(string name) : Exception($"{name} had ended before it was followed");

/// <summary>Sees to it that a probe's container is there, is ours, is made as we would make it now, and runs.</summary>
internal sealed class ProbeContainer(IContainerEngine engine, ContainerPlan plan)
{
    /// <param name="restarts">one that ended is made again; else it is left as it is</param>
    /// <exception cref="EngineException">The engine refuses it, or a stranger's container has its name.</exception>
    /// <exception cref="ProbeDiedException">It ended, and <paramref name="restarts"/> is false.</exception>
    public async Task<RunningProbe> EnsureAsync(CancellationToken ct, bool restarts = true)
    {
        var seen = await engine.InspectAsync(plan.Name, ct);
        if (seen is not null)
        {
            if (seen.Labels.GetValueOrDefault(Labels.Install) != plan.Labels[Labels.Install])
            {
                throw new EngineException(
                    EngineErrorKind.NameTaken,
                    $"A container that is not ours has the name {plan.Name}; it is left alone."
                );
            }
            if (
                seen.State == ContainerState.Running
                && seen.Labels.GetValueOrDefault(Labels.SpecHash) == plan.Labels[Labels.SpecHash]
            )
            {
                return new RunningProbe(seen.Id, IsFresh: false);
            }
            if (!restarts && seen is { State: not ContainerState.Running, FinishedAt: not null })
            {
                throw new ProbeDiedException(plan.Name);
            }
            await engine.RemoveAsync(seen.Id, force: true, ct);
        }
        if (await engine.FindImageAsync(plan.Image, ct) is null)
        {
            await engine.PullAsync(plan.Image, null, ct);
        }
        var id = await engine.CreateAsync(plan, ct);
        try
        {
            await engine.StartAsync(id, ct);
            return new RunningProbe(id, IsFresh: true);
        }
        catch (EngineException)
        {
            await engine.RemoveAsync(id, force: true, ct);
            throw;
        }
    }

    public Task RemoveAsync(string id, CancellationToken ct) => engine.RemoveAsync(id, force: true, ct);
}
