using DeepLab.Core.Engines;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>What a driver of an environment reads: its doors, its secrets, the keys of its users.</summary>
public sealed class EnvironmentTools(
    IDbContextFactory<ConsoleDb> databases,
    SecretBox secrets,
    JupyterClient jupyter,
    PortBook ports,
    ConsoleOptions options
)
{
    // 0755
    private const int Folder = 0x1ED;

    public JupyterClient Jupyter { get; } = jupyter;
    public PortBook Ports { get; } = ports;

    /// <summary>A snapshot of it is being taken, or was a moment ago: its pause is the console's own doing.</summary>
    public async Task<bool> IsBeingKeptAsync(long attemptId, DateTimeOffset now, CancellationToken ct)
    {
        var lately = now - s_afterSnapshot;
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Database.SqlQuery<int>(
                $"""
                select 1 as "Value" from image_tasks where kind = 'Snapshot' and (wish->>'attemptId')::bigint = {attemptId}
                  and (state = 'Running' or ended_at > {lately}) limit 1
                """
            )
            .AnyAsync(ct);
    }

    private static readonly TimeSpan s_afterSnapshot = TimeSpan.FromSeconds(10);

    /// <summary>How long nobody may use it; zero = for ever.</summary>
    public TimeSpan IdleLimit(EnvironmentSpec environment) => environment.IdleLimit(options.IdleAfter);

    /// <summary>Doors of an attempt that it holds; none where it is no environment.</summary>
    public async Task<IReadOnlyList<Endpoint>> DoorsAsync(AttemptRead read, CancellationToken ct)
    {
        if (read.Spec.Environment is null)
        {
            return [];
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Endpoints.AsNoTracking()
            .Where(e => e.AttemptId == read.Attempt.Id && e.ReleasedAt == null)
            .OrderBy(e => e.Id)
            .ToListAsync(ct);
    }

    /// <summary>Those of all replicas of its round; null where it has a network of its own.</summary>
    public async Task<RoundPorts?> PortsAsync(AttemptRead read, CancellationToken ct)
    {
        if (!read.Spec.HostNetwork)
        {
            return null;
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        // One that ended already has given its own back; the others were told of it all the same
        var doors = await db
            .Endpoints.AsNoTracking()
            .Join(
                db.Attempts.Where(a => a.WorkloadId == read.Workload.Id && a.Round == read.Attempt.Round),
                e => e.AttemptId,
                a => a.Id,
                (e, a) => new { a.ReplicaName, Door = e }
            )
            .OrderBy(d => d.Door.Id)
            .ToListAsync(ct);
        return new RoundPorts([.. doors.Select(d => (d.ReplicaName, d.Door))]);
    }

    /// <summary>Files of the console's that stand in its container before it starts.</summary>
    /// <exception cref="EngineException">A secret cannot be read.</exception>
    public async Task<IReadOnlyList<PlacedFile>> FilesAsync(AttemptRead read, CancellationToken ct)
    {
        var id = read.Workload.Id;
        if (read.Spec.Topology == Topology.Mpi)
        {
            var key =
                await SecretAsync(id, WorkloadSecret.MpiKey, ct)
                ?? throw new EngineException(EngineErrorKind.Other, "its SSH key is not kept any more");
            return MpiFiles.Make(read.Spec, key);
        }
        if (Muster.IsFor(read.Spec))
        {
            return Muster.Files(read.Spec);
        }
        if (read.Spec is { Topology: Topology.Array, Checkpoint: not null })
        {
            return
            [
                new PlacedFile(
                    CheckpointLaunch.FolderOf(read.Spec, read.Workload.Id, read.Attempt.ReplicaName),
                    Folder,
                    null
                ),
            ];
        }
        if (read.Spec.Environment is not { } environment)
        {
            return [];
        }
        return EnvironmentFiles.Make(
            environment,
            id,
            environment.Jupyter ? await TokenAsync(id, ct) : null,
            await PasswordAsync(id, ct),
            await KeysAsync(read, environment, ct)
        );
    }

    /// <exception cref="EngineException">It cannot be read.</exception>
    public async Task<string> TokenAsync(long workloadId, CancellationToken ct) =>
        await SecretAsync(workloadId, WorkloadSecret.JupyterToken, ct)
        ?? throw new EngineException(EngineErrorKind.Other, "its Jupyter token is not kept any more");

    /// <summary>Its user's own for Jupyter; null = none.</summary>
    /// <exception cref="EngineException">It cannot be read.</exception>
    public Task<string?> PasswordAsync(long workloadId, CancellationToken ct) =>
        SecretAsync(workloadId, WorkloadSecret.JupyterPassword, ct);

    /// <summary>Public keys of its owner's profile and its own, each once.</summary>
    public async Task<IReadOnlyList<string>> KeysAsync(
        AttemptRead read,
        EnvironmentSpec environment,
        CancellationToken ct
    )
    {
        if (!environment.Ssh)
        {
            return [];
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var profile = await db
            .Users.Where(u => u.Id == read.Workload.OwnerId && !u.Disabled)
            .Select(u => u.SshKeys)
            .SingleOrDefaultAsync(ct);
        return [.. (profile ?? []).Concat(environment.SshKeys).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>A container of an earlier round may still write to the home.</summary>
    public async Task<bool> IsHomeBusyAsync(Attempt attempt, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.Attempts.AnyAsync(
            a => a.WorkloadId == attempt.WorkloadId && a.Number < attempt.Number && !a.ContainerRemoved,
            ct
        );
    }

    private async Task<string?> SecretAsync(long workloadId, string name, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var kept = await db
            .Secrets.Where(s => s.WorkloadId == workloadId && s.Name == name)
            .Select(s => s.Sealed)
            .SingleOrDefaultAsync(ct);
        try
        {
            return kept is null ? null : secrets.Open(WorkloadSecret.PurposeOf(workloadId, name), kept);
        }
        catch (SecretBoxException e)
        {
            throw new EngineException(EngineErrorKind.Other, $"its {name} cannot be read: {e.Message}", e);
        }
    }
}
