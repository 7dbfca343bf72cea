using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>Where an attempt goes on, and what it leaves behind: both seen by a visit to the folder, where nobody writes to it.</summary>
internal sealed partial class AttemptDriver
{
    private const string WaitsForWriters =
        "waits until its last containers have ended, which may still write checkpoints";

    /// <summary>
    /// True when the attempt may be created. A later round looks for itself at what its containers will see: what a dead host's
    /// container wrote unseen is there as well, and what does not reach this host is not.
    /// </summary>
    private async Task<bool> IsResumeDecidedAsync(AttemptRead read, FoundMounts mounts, CancellationToken ct)
    {
        var a = read.Attempt;
        if (read.Spec.Checkpoint is not { } checkpoint || a.Number == 1 || a.ResumeDecided)
        {
            return true;
        }
        if (await AreWritersLeftAsync(a, ct))
        {
            if (read.Workload.Message != WaitsForWriters)
            {
                await SayAsync(Reason.WaitingForHost, WaitsForWriters, asEvent: false);
            }
            await WaitAsync(s_homeEvery, ct);
            return false;
        }
        try
        {
            var sight = await VisitAsync(read, mounts, checkpoint, ct);
            if (await IsAmongOthersAsync(a, ct))
            {
                sight = sight with { WritersGone = false };
            }
            var choice = await tools.Checkpoints.Writes.ResumeAsync(term, attemptId, sight, host.Host.Name);
            if (choice is { IsHopeless: true })
            {
                var tried =
                    choice.PassedOver.Count == 1
                        ? "its one checkpoint"
                        : $"each of its {choice.PassedOver.Count} checkpoints";
                await FailAsync(
                    Reason.CheckpointsUnusable,
                    $"could not go on from {tried}: {ResumeChoice.MostTries} tries failed before they wrote another"
                );
            }
        }
        catch (EngineException e)
        {
            await NoteRefusalAsync("looked for checkpoints to resume from", e.Message, ct);
        }
        return false;
    }

    /// <summary>
    /// A container of an earlier round, or of its own before it, may still be at work where it can be reached; one on a host that is
    /// away is not waited for.
    /// </summary>
    private async Task<bool> AreWritersLeftAsync(Attempt a, CancellationToken ct)
    {
        await using var db = await tools.Checkpoints.Databases.CreateDbContextAsync(ct);
        return await db.Attempts.AnyAsync(
            x =>
                x.WorkloadId == a.WorkloadId
                && (x.Round < a.Round || (x.ReplicaId == a.ReplicaId && x.Number < a.Number))
                && !x.ContainerRemoved
                && x.StartedAt != null
                && !x.LogArchived
                && db.Hosts.Any(h => h.Id == x.HostId && h.UnreachableSince == null),
            ct
        );
    }

    /// <summary>It alone was started again, and others of its round are at work.</summary>
    private async Task<bool> IsAmongOthersAsync(Attempt a, CancellationToken ct)
    {
        await using var db = await tools.Checkpoints.Databases.CreateDbContextAsync(ct);
        return await db.Attempts.AnyAsync(x => x.ReplicaId == a.ReplicaId && x.Round == a.Round && x.Id != a.Id, ct)
            && await db.Attempts.AnyAsync(
                x => x.WorkloadId == a.WorkloadId && x.Id != a.Id && x.State == AttemptState.Running,
                ct
            );
    }

    /// <summary>Looks a last time, when the last of the job's containers on this host has ended. Whatever is in the way holds nothing back.</summary>
    private async Task LookBackAsync(AttemptRead read, CancellationToken ct)
    {
        if (read.Spec.Checkpoint is not { } checkpoint || read.Attempt.StartedAt is null)
        {
            return;
        }
        await using (var db = await tools.Checkpoints.Databases.CreateDbContextAsync(ct))
        {
            var a = read.Attempt;
            if (
                await db.Attempts.AnyAsync(
                    x =>
                        x.WorkloadId == a.WorkloadId
                        && x.HostId == a.HostId
                        && x.Id != a.Id
                        && x.State == AttemptState.Running,
                    ct
                )
            )
            {
                return;
            }
        }
        try
        {
            var mounts = await tools.Mounts.FindAsync(tools.InstallId, read.Spec, ct);
            if (mounts.Missing is null)
            {
                var sight = await VisitAsync(read, mounts, checkpoint, ct);
                await tools.Checkpoints.Writes.CheckpointsSeenAsync(term, attemptId, sight);
                var unwanted = await tools.Checkpoints.UnwantedAsync(read.Workload.Id, sight.HostId, read.Spec, ct);
                if (unwanted.Count > 0)
                {
                    string[] paths = [.. unwanted.Select(u => u.Path)];
                    await tools.Checkpoints.Writes.CheckpointsUnwantedAsync(term, attemptId, sight.HostId, paths);
                }
            }
        }
        catch (EngineException e)
        {
            await tools.Writes.NoteAsync(
                term,
                attemptId,
                "checkpoints-unseen",
                $"its last checkpoints could not be looked at: {e.Message}"
            );
        }
    }

    private async Task<CheckpointSight> VisitAsync(
        AttemptRead read,
        FoundMounts mounts,
        CheckpointSpec checkpoint,
        CancellationToken ct
    )
    {
        var id = read.Workload.Id;
        var folder = CheckpointFolders.Of(checkpoint, id);
        var plan = CheckpointLaunch.Visit(
            tools.InstallId,
            id,
            read.Spec,
            mounts,
            tools.Checkpoints.Image,
            $"{read.Attempt.ReplicaName}-{read.Attempt.Number}"
        );
        var place = await tools.Checkpoints.PlaceAsync(read.Spec, read.Attempt.HostId, ct);
        return await FolderVisits.RunAsync(
            host.Engine,
            plan,
            start: true,
            async container =>
            {
                var listing =
                    await CheckpointLook.ListAsync(host.Engine, container, folder, ct)
                    ?? throw new EngineException(
                        EngineErrorKind.Other,
                        $"the image {tools.Checkpoints.Image} has no shell with find, stat, head and tail"
                    );
                return new CheckpointSight(
                    place,
                    CheckpointLayouts.Find(listing.Files, checkpoint.Glob),
                    listing.IsWhole,
                    WritersGone: true
                );
            },
            ct
        );
    }
}
