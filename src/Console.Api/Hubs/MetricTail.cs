using System.Globalization;
using System.Runtime.CompilerServices;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Api.Hubs;

public sealed record MetricPoints(string Name, string Source, SeriesOwner Owner, IReadOnlyList<SeriesPoint> Points);

/// <param name="Cursor">opaque; goes into the next call</param>
public sealed record MetricBatch(IReadOnlyList<MetricPoints> Series, string Cursor);

/// <summary>Follows all series of one job from a cursor on.</summary>
public sealed class MetricTail(JobQueries jobs, SeriesReader reader, ChangeFeed changes, TimeProvider time)
{
    private const int MostPoints = 1000;
    private const int MostCursor = 64 << 10;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    /// <summary>Batches of new points; ends only with the token, or when the actor sees the job no more.</summary>
    public async IAsyncEnumerable<MetricBatch> ReadAsync(
        Actor actor,
        long jobId,
        string? cursor,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var seen = Decode(cursor);
        using var subscription = changes.Subscribe(c => c.Kind == ChangeKind.Metrics);
        while (await SeriesAsync(actor, jobId, ct) is { } all)
        {
            var batch = new List<MetricPoints>();
            foreach (var (info, source) in all)
            {
                var (millis, step) = seen.GetValueOrDefault(info.Id, (long.MinValue, long.MinValue));
                if (info.Last is not { } last || (last.UnixMillis, last.Step) == (millis, step))
                {
                    continue;
                }
                var points = await reader.TailAsync(info.Id, millis, step, MostPoints, ct);
                if (points.Count > 0)
                {
                    seen[info.Id] = (points[^1].UnixMillis, points[^1].Step);
                    batch.Add(new MetricPoints(info.Key.Name, source, info.Key.Owner, points));
                }
            }
            if (batch.Count > 0)
            {
                yield return new MetricBatch(batch, Encode(seen));
            }
            if (!batch.Exists(s => s.Points.Count == MostPoints))
            {
                await subscription.NextAsync(s_patience, time, ct);
            }
        }
    }

    private async Task<List<(SeriesInfo Info, string Source)>?> SeriesAsync(
        Actor actor,
        long jobId,
        CancellationToken ct
    )
    {
        if (await jobs.FindAsync(actor, jobId, ct) is not { } job)
        {
            return null;
        }
        var all = (await reader.ListAsync(SeriesOwner.Job, jobId.ToString(), ct))
            .Select(i => (i, i.Key.Source))
            .ToList();
        foreach (var replica in job.Replicas)
        {
            if (replica.Attempts is [.., var newest])
            {
                var own = await reader.ListAsync(SeriesOwner.Attempt, newest.Id.ToString(), ct);
                all.AddRange(own.Select(i => (i, $"{replica.Name}/{newest.Number}")));
            }
        }
        return all;
    }

    private static string Encode(Dictionary<long, (long Millis, long Step)> seen) =>
        string.Join(
            ',',
            seen.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key}:{s.Value.Millis}:{s.Value.Step}"))
        );

    /// <summary>What does not read is left out: those series are then sent from their beginning.</summary>
    private static Dictionary<long, (long, long)> Decode(string? cursor)
    {
        var seen = new Dictionary<long, (long, long)>();
        if (cursor is null || cursor.Length > MostCursor)
        {
            return seen;
        }
        foreach (var part in cursor.Split(','))
        {
            if (
                part.Split(':') is [var id, var millis, var step]
                && long.TryParse(id, CultureInfo.InvariantCulture, out var series)
                && long.TryParse(millis, CultureInfo.InvariantCulture, out var m)
                && long.TryParse(step, CultureInfo.InvariantCulture, out var s)
            )
            {
                seen[series] = (m, s);
            }
        }
        return seen;
    }
}
