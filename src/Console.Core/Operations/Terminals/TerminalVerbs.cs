using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Terminals;

/// <summary>Who may open a terminal in which container, and how long.</summary>
public sealed class TerminalVerbs(IDbContextFactory<ConsoleDb> databases, OpenTerminals terminals, TimeProvider time)
{
    /// <summary>Opens one in a running replica and leaves an audit row.</summary>
    /// <param name="tokenId">the session or token that asks: the terminal ends with it</param>
    /// <param name="stamp">of the user, now</param>
    /// <param name="replica">null for the first</param>
    public async Task<Outcome<TerminalOpening>> OpenAsync(
        Actor actor,
        Guid tokenId,
        string stamp,
        long workloadId,
        string? replica,
        TerminalSize size,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var kind = await db
            .Workloads.VisibleTo(actor)
            .Where(w => w.Id == workloadId)
            .Select(w => (WorkloadKind?)w.Kind)
            .SingleOrDefaultAsync(ct);
        if (kind is null)
        {
            return new Outcome<TerminalOpening>.NotFound();
        }
        var replicas = await ReplicaReader.ReadAsync(db, workloadId, withPorts: false, ct);
        var chosen = replica is null ? replicas.FirstOrDefault() : replicas.FirstOrDefault(r => r.Name == replica);
        if (chosen is null)
        {
            return new Outcome<TerminalOpening>.Refused([
                new SpecError(
                    "replica",
                    $"There is no such replica; {string.Join(", ", replicas.Select(r => r.Name))} are."
                ),
            ]);
        }
        if (chosen.Attempts.LastOrDefault() is not { State: AttemptState.Running, ContainerId: { } container } attempt)
        {
            return new Outcome<TerminalOpening>.Conflict(
                $"{chosen.Name} does not run; a terminal can be opened while it does."
            );
        }
        var host = await db
            .Attempts.Where(a => a.Id == attempt.Id)
            .Join(db.Hosts, a => a.HostId, h => h.Id, (_, h) => new { h.Address, h.SealedCredentials })
            .SingleAsync(ct);
        db.AddAudit(
            time.GetUtcNow(),
            actor.UserName,
            "terminal.open",
            $"{chosen.Name}/{attempt.Number} of workload {workloadId}"
        );
        await db.SaveChangesAsync(ct);
        return new Outcome<TerminalOpening>.Done(
            await terminals.OpenAsync(
                new TerminalRequest(
                    actor.UserId,
                    tokenId,
                    stamp,
                    workloadId,
                    kind == WorkloadKind.Environment,
                    attempt.Id,
                    chosen.Name,
                    attempt.Number,
                    container,
                    host.Address,
                    host.SealedCredentials
                ),
                size
            )
        );
    }

    /// <summary>Whether the actor might open it again: its attempt runs, and its workload is the actor's to see.</summary>
    public async Task<bool> MayStayAsync(Actor actor, TerminalRequest terminal, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Workloads.VisibleTo(actor)
            .AnyAsync(
                w =>
                    w.Id == terminal.WorkloadId
                    && db.Attempts.Any(a => a.Id == terminal.AttemptId && a.State == AttemptState.Running),
                ct
            );
    }
}
