using System.Runtime.CompilerServices;
using DeepLab.Api.Auth;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.SignalR;

namespace DeepLab.Api.Hubs;

/// <param name="NextLine">`fromLine` of a call that goes on after this batch</param>
public sealed record LogBatch(IReadOnlyList<LogLine> Lines, long NextLine);

/// <param name="Reset">what was known before is void: these are the newest jobs</param>
/// <param name="Gone">ids that changed and are not to be seen any more</param>
public sealed record ChangeBatch(bool Reset, IReadOnlyList<JobRow> Jobs, IReadOnlyList<long> Gone);

/// <summary>
/// Live data for programs. Every stream checks that the caller may see its job when it starts, and ends within seconds
/// when the caller's session does. The reader's pace sets the writer's: facts are read from the archive as they are asked
/// for, so a slow reader costs no memory.
/// </summary>
[Authorize(Policy = Scopes.JobsRead)]
public sealed class LiveHub(
    JobQueries jobs,
    LogReader logs,
    MetricTail metrics,
    ChangeFeed changes,
    Sessions sessions,
    TimeProvider time
) : Hub
{
    private const int MostLines = 1000;
    private const int MostRows = 200;
    private const int MostStreams = 64;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    /// <summary>Lines of one attempt from a line on; ends when the log is complete.</summary>
    /// <param name="replica">null for the first</param>
    /// <param name="attempt">null for the newest</param>
    public async IAsyncEnumerable<LogBatch> StreamLogs(
        long jobId,
        string? replica,
        int? attempt,
        long fromLine,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        if (fromLine < 0)
        {
            throw new HubException("fromLine is 0 or more.");
        }
        using var stream = Enter();
        await using var watch = sessions.Watch(Context.User!, cancellationToken);
        var found =
            await jobs.FindAttemptAsync(Actor, jobId, replica, attempt, watch.Token)
            ?? throw new HubException("There is no such job or attempt, or it is not yours.");
        await foreach (var lines in logs.FollowAsync(found.Id, fromLine, watch.Token))
        {
            foreach (var chunk in lines.Chunk(MostLines))
            {
                yield return new LogBatch(chunk, chunk[^1].Number + 1);
            }
        }
    }

    /// <summary>New points of the job's curves and of what its containers use.</summary>
    /// <param name="afterCursor">of the last batch that was read; null for all points there are</param>
    public async IAsyncEnumerable<MetricBatch> StreamMetrics(
        long jobId,
        string? afterCursor,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var stream = Enter();
        await using var watch = sessions.Watch(Context.User!, cancellationToken);
        if (await jobs.FindAsync(Actor, jobId, watch.Token) is null)
        {
            throw new HubException("There is no such job, or it is not yours.");
        }
        await foreach (var batch in metrics.ReadAsync(Actor, jobId, afterCursor, watch.Token))
        {
            yield return batch;
        }
    }

    /// <summary>
    /// The newest jobs first, then those that change, four times a second at most. A reader that comes back starts with
    /// the newest again, so nothing is missed between.
    /// </summary>
    public async IAsyncEnumerable<ChangeBatch> StreamChanges(
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        using var stream = Enter();
        await using var watch = sessions.Watch(Context.User!, cancellationToken);
        using var subscription = changes.Subscribe(c => c.Kind == ChangeKind.Workload);
        yield return await NewestAsync(watch.Token);
        while (true)
        {
            var changed = await subscription.NextAsync(watch.Token);
            if (changed.Any(c => c.Kind == ChangeKind.Everything))
            {
                yield return await NewestAsync(watch.Token);
            }
            else
            {
                var ids = changed.Select(c => c.Id).ToArray();
                var rows = await jobs.FindRowsAsync(Actor, ids, watch.Token);
                // Other people's jobs look like deleted ones, and a member is told of neither's coming and going
                var gone = Actor.IsAdmin ? ids.Except(rows.Select(r => r.Id)).ToArray() : [];
                if (rows.Count + gone.Length > 0)
                {
                    yield return new ChangeBatch(false, rows, gone);
                }
            }
            await Task.Delay(s_pause, time, watch.Token);
        }
    }

    private Actor Actor => Context.User!.Actor();

    private async Task<ChangeBatch> NewestAsync(CancellationToken ct) =>
        await jobs.ListAsync(Actor, new JobFilter(), null, MostRows, ct) is Outcome<Page<JobRow>>.Done page
            ? new ChangeBatch(true, page.Value.Items, [])
            : throw new InvalidOperationException("The list of jobs was refused.");

    private StreamSlot Enter()
    {
        var slot = (StreamSlot)Context.Items[typeof(StreamSlot)]!;
        return slot.TryEnter(MostStreams)
            ? slot
            : throw new HubException($"At most {MostStreams} streams are allowed on one connection.");
    }

    public override Task OnConnectedAsync()
    {
        Context.Items[typeof(StreamSlot)] = new StreamSlot();
        return base.OnConnectedAsync();
    }

    /// <summary>Counts the open streams of one connection.</summary>
    private sealed class StreamSlot : IDisposable
    {
        private int _open;

        public bool TryEnter(int most)
        {
            if (Interlocked.Increment(ref _open) <= most)
            {
                return true;
            }
            Interlocked.Decrement(ref _open);
            return false;
        }

        public void Dispose() => Interlocked.Decrement(ref _open);
    }
}
