using System.Globalization;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Lists of workloads, newest first: by the page for programs, by the window for virtualized grids.</summary>
internal static class WorkloadLists
{
    /// <param name="cursor">the `next` of an earlier page; null = from the newest</param>
    /// <param name="readAsync">reads the rows of what it is given, in that order</param>
    public static async Task<Outcome<Page<TRow>>> PageAsync<TRow>(
        IQueryable<Workload> all,
        string? cursor,
        int limit,
        Func<IQueryable<Workload>, Task<List<TRow>>> readAsync,
        Func<TRow, long> idOf
    )
    {
        long before = long.MaxValue;
        if (cursor is not null && !long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out before))
        {
            return new Outcome<Page<TRow>>.Refused([
                new SpecError("cursor", "It is not a cursor of this list; use the `next` of an earlier answer."),
            ]);
        }
        var rows = await readAsync(all.Where(w => w.Id < before).OrderByDescending(w => w.Id).Take(limit + 1));
        var more = rows.Count > limit;
        var items = more ? rows.GetRange(0, limit) : rows;
        return new Outcome<Page<TRow>>.Done(
            new Page<TRow>(items, more ? idOf(items[^1]).ToString(CultureInfo.InvariantCulture) : null)
        );
    }

    /// <summary>The rows of a window by position, and how many there are in all.</summary>
    public static async Task<(IReadOnlyList<TRow> Rows, int Total)> WindowAsync<TRow>(
        IQueryable<Workload> all,
        int skip,
        int take,
        Func<IQueryable<Workload>, Task<List<TRow>>> readAsync,
        CancellationToken ct
    )
    {
        var total = await all.CountAsync(ct);
        return (await readAsync(all.OrderByDescending(w => w.Id).Skip(skip).Take(take)), total);
    }
}
