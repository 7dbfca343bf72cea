using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Workloads;

/// <param name="Attempt">null where the job has not had one yet</param>
/// <param name="From">first line to write</param>
public sealed record FoundLog(string Replica, AttemptView? Attempt, long From, ProblemHttpResult? Problem = null);

/// <summary>Finds the attempt that a log is about, waits for it where asked to follow, and writes its lines.</summary>
public sealed class JobLogs(JobQueries jobs, LogReader reader, ChangeFeed changes, TimeProvider time)
{
    private const int Batch = 2000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    public async Task<FoundLog> FindAsync(Actor actor, long id, LogQuery query, CancellationToken ct)
    {
        if (await jobs.FindAsync(actor, id, ct) is not { } job)
        {
            return new FoundLog("", null, 0, Problems.NotFound("job"));
        }
        var replica = query.Replica is null
            ? job.Replicas.FirstOrDefault()
            : job.Replicas.FirstOrDefault(r => r.Name == query.Replica);
        if (replica is null)
        {
            return new FoundLog("", null, 0, Problems.NotFound("replica"));
        }
        var attempt = query.Attempt is null
            ? replica.Attempts.LastOrDefault()
            : replica.Attempts.FirstOrDefault(a => a.Number == query.Attempt);
        if (query.Attempt is not null && attempt is null)
        {
            return new FoundLog("", null, 0, Problems.NotFound("attempt"));
        }
        return new FoundLog(
            replica.Name,
            attempt,
            attempt is null ? query.From ?? 0 : await FromAsync(attempt, query, ct)
        );
    }

    public async Task WriteAsync(
        Actor actor,
        long id,
        LogQuery query,
        FoundLog found,
        LogWriter writer,
        CancellationToken ct
    )
    {
        await writer.StartAsync(ct);
        var attempt = found.Attempt;
        if (attempt is null && query.Follow)
        {
            attempt = await FirstAttemptAsync(actor, id, found.Replica, writer, ct);
        }
        if (attempt is not null)
        {
            if (query.Follow)
            {
                await FollowAsync(attempt.Id, found.From, writer, ct);
            }
            else if (query.Search is { } text)
            {
                await SearchAsync(attempt.Id, text, found.From, writer, ct);
            }
            else
            {
                await ReadAsync(attempt.Id, found.From, writer, ct);
            }
        }
        await writer.EndAsync(ct);
    }

    private async Task<long> FromAsync(AttemptView attempt, LogQuery query, CancellationToken ct)
    {
        if (query.Tail is { } tail)
        {
            var cursor = await reader.FindCursorAsync(attempt.Id, ct);
            return cursor is null ? 0 : Math.Max(0, cursor.Next - tail);
        }
        if (query.Since is { } since)
        {
            return await reader.FindLineAtAsync(attempt.Id, since, ct)
                ?? (await reader.FindCursorAsync(attempt.Id, ct) is { } c ? c.Next : 0);
        }
        return query.From ?? 0;
    }

    /// <summary>Null where the job ended without one.</summary>
    private async Task<AttemptView?> FirstAttemptAsync(
        Actor actor,
        long id,
        string replica,
        LogWriter writer,
        CancellationToken ct
    )
    {
        using var subscription = changes.Subscribe(c => c == new Change(ChangeKind.Workload, id));
        while (true)
        {
            var job = await jobs.FindAsync(actor, id, ct);
            var attempt = job?.Replicas.FirstOrDefault(r => r.Name == replica)?.Attempts.LastOrDefault();
            if (attempt is not null || job is null || job.Row.State.IsTerminal())
            {
                return attempt;
            }
            await subscription.NextAsync(s_patience, time, ct);
            await writer.KeepAliveAsync(ct);
        }
    }

    private async Task ReadAsync(long attemptId, long from, LogWriter writer, CancellationToken ct)
    {
        while (true)
        {
            var lines = await reader.ReadAsync(attemptId, from, Batch, ct);
            if (lines.Count == 0)
            {
                return;
            }
            await writer.WriteAsync(lines, ct);
            from = lines[^1].Number + 1;
        }
    }

    private async Task SearchAsync(long attemptId, string text, long from, LogWriter writer, CancellationToken ct)
    {
        long? next = from;
        while (next is { } at)
        {
            (var hits, next) = await reader.SearchAsync(attemptId, text, at, Batch, ct);
            await writer.WriteAsync(hits, ct);
        }
    }

    private async Task FollowAsync(long attemptId, long from, LogWriter writer, CancellationToken ct)
    {
        await using var batches = reader.FollowAsync(attemptId, from, ct).GetAsyncEnumerator(ct);
        while (true)
        {
            var next = batches.MoveNextAsync().AsTask();
            while (await Task.WhenAny(next, Task.Delay(s_patience, time, ct)) != next)
            {
                // An open connection must carry something now and then, or proxies close it
                await writer.KeepAliveAsync(ct);
            }
            if (!await next)
            {
                return;
            }
            await writer.WriteAsync(batches.Current, ct);
        }
    }
}

internal static class SessionServices
{
    public static Sessions GetSessions(this IServiceProvider services) => services.GetRequiredService<Sessions>();
}
