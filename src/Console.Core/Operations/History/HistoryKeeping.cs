using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.History;

/// <param name="Days">after its end that a job stays; null = for ever</param>
/// <param name="Due">jobs that are older than that now and are not kept by a pin; 0 where they stay for ever</param>
public sealed record HistoryKeepingView(int? Days, int Due);

/// <summary>How long ended jobs stay in the history. Pinned ones stay, and those with a pinned checkpoint.</summary>
public sealed class HistoryKeeping(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public const int MostDays = 3650;

    /// <param name="days">null = what is set</param>
    public async Task<HistoryKeepingView> FindAsync(int? days, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        days ??= await db.Installations.Select(i => i.HistoryDays).SingleAsync(ct);
        var due = days is { } n ? await HistoryAge.Over(db, time.GetUtcNow().AddDays(-n)).CountAsync(ct) : 0;
        return new HistoryKeepingView(days, due);
    }

    /// <param name="days">null = for ever</param>
    public async Task<Outcome<HistoryKeepingView>> SetAsync(Actor actor, int? days, CancellationToken ct)
    {
        if (days is < 1 or > MostDays)
        {
            return new Outcome<HistoryKeepingView>.Refused([
                new SpecError("days", $"This is {days}; 1 to {MostDays:N0} is allowed, or null to keep all."),
            ]);
        }
        var done = await VerbTransaction.RunAsync<int?>(
            databases,
            async db =>
            {
                var row = await db.Installations.SingleAsync(ct);
                row.HistoryDays = days;
                db.AddAudit(
                    time.GetUtcNow(),
                    actor.UserName,
                    "history.keep",
                    days is null ? "for ever" : $"{days} days"
                );
                return new Outcome<int?>.Done(days);
            },
            ct
        );
        return done is Outcome<int?>.Done
            ? new Outcome<HistoryKeepingView>.Done(await FindAsync(null, ct))
            : new Outcome<HistoryKeepingView>.NotFound();
    }
}
