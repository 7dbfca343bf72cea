using System.Runtime.CompilerServices;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.History;

/// <summary>One run of an export. Times are in UTC.</summary>
public sealed record ExportedRun(
    long Id,
    string Name,
    string Owner,
    string Team,
    WorkloadState State,
    Reason Reason,
    string Message,
    DateTimeOffset SubmittedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    string Image,
    string? PinnedImage,
    string Command,
    IReadOnlyDictionary<string, string> Labels,
    string Notes,
    bool Pinned,
    int GpusAsked,
    string GpuModels,
    IReadOnlyList<string> Hosts,
    int Priority,
    int Restarts,
    int Interruptions,
    int Preemptions,
    long? OriginId,
    bool OriginExact,
    string SpecHash
);

/// <summary>The runs that a filter finds, newest first, however many: a piece at a time, so that memory does not grow with the history.</summary>
public sealed class ExportHistory(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    private const int Piece = 500;

    /// <param name="filter">with a search that can be read; see <see cref="SearchQuery"/></param>
    public async IAsyncEnumerable<IReadOnlyList<ExportedRun>> ReadAsync(
        Actor actor,
        JobFilter filter,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        // What comes meanwhile is behind the beginning, and durations count back from one time
        var search = SearchQuery.Read(filter.Query, time.GetUtcNow());
        var before = long.MaxValue;
        while (true)
        {
            await using var db = await databases.CreateDbContextAsync(ct);
            var piece = await JobQueries
                .Filter(db, actor, filter)
                .Matching(db, search.Terms)
                .Where(w => w.Id < before)
                .OrderByDescending(w => w.Id)
                .Take(Piece)
                .LeftJoin(
                    db.Texts,
                    w => w.Id,
                    t => t.WorkloadId,
                    (w, t) =>
                        new ExportedRun(
                            w.Id,
                            w.Name,
                            w.OwnerName,
                            w.TeamName,
                            w.State,
                            w.Reason,
                            w.Message,
                            w.SubmittedAt,
                            w.StartedAt,
                            w.EndedAt,
                            t!.Image ?? "",
                            w.PinnedImage,
                            t.Command ?? "",
                            w.Labels,
                            w.Notes,
                            w.Pinned,
                            w.GpusAsked,
                            w.GpuModels,
                            w.HostNames,
                            w.Priority,
                            w.Restarts,
                            w.Interruptions,
                            w.Preemptions,
                            w.OriginId,
                            w.OriginExact,
                            w.SpecHash
                        )
                )
                .ToListAsync(ct);
            // A join keeps no order
            piece.Sort((a, b) => b.Id.CompareTo(a.Id));
            if (piece.Count > 0)
            {
                yield return piece;
            }
            if (piece.Count < Piece)
            {
                yield break;
            }
            before = piece[^1].Id;
        }
    }
}
