using System.Globalization;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Which lines of which log.</summary>
/// <param name="Replica">`worker-0`; the first where absent</param>
/// <param name="Attempt">its newest where absent</param>
/// <param name="From">first line, counted from 0</param>
/// <param name="Since">ISO 8601: lines from then on</param>
/// <param name="Tail">only the last so many lines</param>
/// <param name="Search">only lines that contain this, whatever the case; not with follow</param>
/// <param name="Follow">go on until the log is complete</param>
/// <param name="Timestamps">begin each line with its time</param>
public sealed record LogQuery(
    [FromQuery(Name = "replica")] string? Replica = null,
    [FromQuery(Name = "attempt")] int? Attempt = null,
    [FromQuery(Name = "from")] long? From = null,
    [FromQuery(Name = "since")] DateTimeOffset? Since = null,
    [FromQuery(Name = "tail")] long? Tail = null,
    [FromQuery(Name = "search")] string? Search = null,
    [FromQuery(Name = "follow")] bool Follow = false,
    [FromQuery(Name = "timestamps")] bool Timestamps = false
);

/// <summary>Logs as plain text, or as server-sent events where the Accept header asks for them.</summary>
public static class JobLogsApi
{
    internal static void MapJobLogs(this RouteGroupBuilder api)
    {
        var logs = api.MapGroup("/jobs/{id:long}/logs")
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsRead)
            .RequireRateLimiting(ApiLimits.Streams);
        logs.MapGet("", ReadAsync)
            .Produces<string>(StatusCodes.Status200OK, "text/plain", "text/event-stream")
            .WithSummary("A log: text/plain, or text/event-stream when accepted; then Last-Event-ID resumes.");
        logs.MapGet("/download", DownloadAsync)
            .Produces<string>(StatusCodes.Status200OK, "text/plain")
            .WithSummary("The log so far, as a file.");
    }

    private static Task<IResult> ReadAsync(
        long id,
        [AsParameters] LogQuery query,
        HttpContext context,
        JobLogs logs,
        CancellationToken ct
    ) => AnswerAsync(id, query, attachment: false, context, logs, ct);

    private static Task<IResult> DownloadAsync(
        long id,
        [AsParameters] LogQuery query,
        HttpContext context,
        JobLogs logs,
        CancellationToken ct
    ) => AnswerAsync(id, query with { Follow = false }, attachment: true, context, logs, ct);

    private static async Task<IResult> AnswerAsync(
        long id,
        LogQuery query,
        bool attachment,
        HttpContext context,
        JobLogs logs,
        CancellationToken ct
    )
    {
        var events =
            !attachment
            && context
                .Request.Headers.Accept.ToString()
                .Contains("text/event-stream", StringComparison.OrdinalIgnoreCase);
        if (events && long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, null, out var last))
        {
            query = query with { From = last + 1, Since = null, Tail = null };
        }
        if (Check(query) is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }
        var found = await logs.FindAsync(context.User.Actor(), id, query, ct);
        if (found.Problem is { } problem)
        {
            return problem;
        }
        await using var watch = context.RequestServices.GetSessions().Watch(context.User, ct);
        var response = context.Response;
        response.ContentType = events ? "text/event-stream; charset=utf-8" : "text/plain; charset=utf-8";
        response.Headers.CacheControl = "no-store";
        // A proxy that buffers would hold back a followed log
        response.Headers["X-Accel-Buffering"] = "no";
        if (attachment)
        {
            var name = found.Attempt is { } a ? $"job-{id}-{found.Replica}-{a.Number}.log" : $"job-{id}.log";
            response.Headers.ContentDisposition = $"attachment; filename=\"{name}\"";
        }
        var writer = new LogWriter(response.BodyWriter, events, query.Timestamps);
        try
        {
            await logs.WriteAsync(context.User.Actor(), id, query, found, writer, watch.Token);
        }
        catch (OperationCanceledException) when (watch.Token.IsCancellationRequested && response.HasStarted)
        {
            // The reader left, or its session ended: cut, so that it does not look complete
            context.Abort();
        }
        return Results.Empty;
    }

    private static List<SpecError> Check(LogQuery query)
    {
        var errors = new List<SpecError>();
        if (query.From < 0)
        {
            errors.Add(new SpecError("from", "A line's number is 0 or more."));
        }
        if (query.Tail is < 0 or > 10_000_000)
        {
            errors.Add(new SpecError("tail", "0 to 10,000,000 lines is allowed."));
        }
        if (new object?[] { query.From, query.Since, query.Tail }.Count(x => x is not null) > 1)
        {
            errors.Add(new SpecError("from", "Only one of from, since and tail is allowed."));
        }
        if (query.Search is { Length: 0 or > 200 })
        {
            errors.Add(new SpecError("search", "1 to 200 characters are allowed."));
        }
        if (query is { Search: not null, Follow: true })
        {
            errors.Add(new SpecError("search", "A search looks at what is there; it does not follow."));
        }
        if (query.Search is not null && query.Tail is not null)
        {
            errors.Add(new SpecError("tail", "A search begins at from or since, not at tail."));
        }
        return errors;
    }
}
