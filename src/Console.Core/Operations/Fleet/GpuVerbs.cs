using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Takes a GPU out of service; what runs on it goes on.</summary>
public sealed class FenceGpu(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string uuid, CancellationToken ct) =>
        GpuChange.RunAsync(
            databases,
            time,
            actor,
            uuid,
            "gpu.fence",
            gpu =>
            {
                gpu.Health = GpuHealth.Fenced;
                gpu.HealthMessage = $"fenced by {actor.UserName}";
                return null;
            },
            ct
        );
}

/// <summary>Ends a fence, an eviction or an adoption. The next look says how the GPU is; until then it is not leased.</summary>
public sealed class ClearGpu(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string uuid, CancellationToken ct) =>
        GpuChange.RunAsync(
            databases,
            time,
            actor,
            uuid,
            "gpu.clear",
            gpu =>
            {
                if (gpu.Health is not (GpuHealth.Fenced or GpuHealth.Evicting or GpuHealth.Adopted))
                {
                    return $"The GPU is {gpu.Health}, which no admin set: it is well again when its evidence is gone.";
                }
                gpu.Health = GpuHealth.Sick;
                gpu.HealthMessage = $"cleared by {actor.UserName}, not looked at yet";
                return null;
            },
            ct
        );
}

/// <summary>Has the container stopped and removed that runs with a GPU and holds no lease on it.</summary>
public sealed class EvictGpu(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string uuid, CancellationToken ct) =>
        GpuChange.RunAsync(
            databases,
            time,
            actor,
            uuid,
            "gpu.evict",
            gpu =>
            {
                if (gpu.Health is not (GpuHealth.Leaked or GpuHealth.Evicting))
                {
                    return $"The GPU is {gpu.Health}; only one that a container of ours leaks has something to evict.";
                }
                gpu.Health = GpuHealth.Evicting;
                return null;
            },
            ct
        );
}

/// <summary>Lets what holds a GPU without a lease have it to its end: it is expected, and no longer told as trouble.</summary>
public sealed class AdoptGpu(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string uuid, CancellationToken ct) =>
        GpuChange.RunAsync(
            databases,
            time,
            actor,
            uuid,
            "gpu.adopt",
            gpu =>
            {
                if (gpu.Health is not (GpuHealth.Leaked or GpuHealth.Squatted))
                {
                    return $"The GPU is {gpu.Health}; only one that is held without a lease can be left to its holder.";
                }
                gpu.Health = GpuHealth.Adopted;
                gpu.HealthMessage = $"{gpu.HealthMessage}; {actor.UserName} lets it have that to its end";
                return null;
            },
            ct
        );
}

internal static class GpuChange
{
    private const int LongestUuid = 128;

    /// <param name="change">null = done; else what stands against it, and nothing is written</param>
    public static async Task<Outcome<string>> RunAsync(
        IDbContextFactory<ConsoleDb> databases,
        TimeProvider time,
        Actor actor,
        string uuid,
        string action,
        Func<Gpu, string?> change,
        CancellationToken ct
    )
    {
        if (
            !actor.IsAdmin
            || uuid.Length > LongestUuid
            || !uuid.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
        )
        {
            return new Outcome<string>.NotFound();
        }
        return await VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var gpu = await db
                    .Gpus.FromSql($"select * from gpus where uuid = {uuid} for update")
                    .SingleOrDefaultAsync(ct);
                if (gpu is null)
                {
                    return new Outcome<string>.NotFound();
                }
                if (change(gpu) is { } why)
                {
                    return new Outcome<string>.Conflict(why);
                }
                db.AddAudit(time.GetUtcNow(), actor.UserName, action, $"gpu {uuid}");
                db.Tell(ChangeKind.Host);
                db.Tell(ChangeKind.Queue);
                return new Outcome<string>.Done(uuid);
            },
            ct
        );
    }
}
