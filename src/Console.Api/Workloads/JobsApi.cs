using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Submits, lists, follows and ends jobs.</summary>
public static class JobsApi
{
    private const int MostWaitSeconds = 3600;

    internal static void MapJobs(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/jobs").WithTags("jobs").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync).WithSummary("Jobs, newest first.");
        read.MapGet("/{id:long}", FindAsync).WithSummary("One job.");
        read.MapGet("/{id:long}/events", EventsAsync).WithSummary("The job's history, oldest first.");
        read.MapGet("/{id:long}/replicas", ReplicasAsync).WithSummary("Replicas, with every attempt at running each.");
        read.MapGet("/{id:long}/what-if", WhatIfAsync)
            .WithSummary("The smallest change that would start a queued job now.");
        read.MapPost("/{id:long}/wait", WaitAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces<JobResponse>(StatusCodes.Status202Accepted)
            .WithSummary("Answers when the job has ended (200), or when the timeout ran out (202).");

        var write = api.MapGroup("/jobs").WithTags("jobs").RequireAuthorization(Scopes.JobsWrite);
        write
            .MapPost("", SubmitAsync)
            .Accepts<JobSpec>("application/json")
            .Produces<SubmittedResponse>(StatusCodes.Status201Created)
            .Produces<JobPreview>()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithName("SubmitJob")
            .WithSummary("Submits a job; with dryRun=true, says what would happen and changes nothing.");
        write.MapDelete("/{id:long}", DeleteAsync).WithSummary("Takes an ended job out of the history.");
        write.MapPost("/{id:long}/stop", StopAsync).WithSummary("Asks for a stop; again is fine.");
        write
            .MapPatch("/{id:long}", EditAsync)
            .Accepts<RunEditRequest>("application/json")
            .WithSummary("Changes labels, notes and the pin; what is not named stays.");
        write
            .MapPost("/{id:long}/run-again", RunAgainAsync)
            .WithSummary(
                "Submits the job's spec again, as a new job with the very image that this one ran; 422 names what can no longer be had."
            );
        write.MapPost("/{id:long}/clone", CloneAsync).WithSummary("Submits the job's spec again, as a new job.");
    }

    private static async Task<Results<Ok<Page<JobRow>>, ProblemHttpResult>> ListAsync(
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct,
        WorkloadState[]? state = null,
        string? search = null,
        string? owner = null,
        string? host = null,
        string? q = null,
        string? cursor = null,
        int limit = Paging.DefaultLimit
    )
    {
        if (Paging.Refuse(limit) is { } refused)
        {
            return refused;
        }
        if (RefuseStates(state) is { } unknown)
        {
            return unknown;
        }
        var filter = new JobFilter
        {
            States = state ?? [],
            Search = search,
            Owner = owner,
            Host = host,
            Query = q,
        };
        var outcome = await jobs.ListAsync(user.Actor(), filter, cursor, limit, ct);
        return outcome switch
        {
            Outcome<Page<JobRow>>.Done done => TypedResults.Ok(done.Value),
            Outcome<Page<JobRow>>.Refused bad => Problems.Invalid(bad.Errors),
            _ => Problems.Of(outcome, "list"),
        };
    }

    private static async Task<Results<Ok<JobResponse>, ProblemHttpResult>> FindAsync(
        long id,
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct
    ) =>
        await jobs.FindAsync(user.Actor(), id, ct) is { } job
            ? TypedResults.Ok(JobResponse.Of(job))
            : Problems.NotFound("job");

    private static async Task<Results<Ok<Page<EventView>>, ProblemHttpResult>> EventsAsync(
        long id,
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct,
        int afterSeq = 0,
        int limit = Paging.MostLimit
    )
    {
        if (Paging.Refuse(limit) is { } refused)
        {
            return refused;
        }
        if (await jobs.EventsAsync(user.Actor(), id, afterSeq, limit, ct) is not { } events)
        {
            return Problems.NotFound("job");
        }
        // Pass it as afterSeq
        var next = events.Count == limit ? events[^1].Seq.ToString() : null;
        return TypedResults.Ok(new Page<EventView>(events, next));
    }

    private static async Task<Results<Ok<Page<ReplicaView>>, ProblemHttpResult>> ReplicasAsync(
        long id,
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct
    ) =>
        await jobs.FindAsync(user.Actor(), id, ct) is { } job
            ? TypedResults.Ok(Paging.All(job.Replicas))
            : Problems.NotFound("job");

    private static async Task<Results<Ok<StartChange>, ProblemHttpResult>> WhatIfAsync(
        long id,
        ClaimsPrincipal user,
        WhatIfJob whatIf,
        CancellationToken ct
    )
    {
        var outcome = await whatIf.RunAsync(user.Actor(), id, ct);
        return outcome is Outcome<StartChange>.Done done ? TypedResults.Ok(done.Value) : Problems.Of(outcome, "job");
    }

    private static async Task<IResult> WaitAsync(
        long id,
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct,
        int timeout = 60
    )
    {
        if (timeout is < 0 or > MostWaitSeconds)
        {
            return Problems.Invalid([
                new SpecError("timeout", $"The timeout is {timeout}; 0 to {MostWaitSeconds} seconds is allowed."),
            ]);
        }
        if (await jobs.WaitForEndAsync(user.Actor(), id, TimeSpan.FromSeconds(timeout), ct) is not { } job)
        {
            return Problems.NotFound("job");
        }
        return job.Row.State.IsTerminal()
            ? TypedResults.Ok(JobResponse.Of(job))
            : TypedResults.Accepted($"/api/v1/jobs/{id}", JobResponse.Of(job));
    }

    private static async Task<IResult> SubmitAsync(
        HttpContext context,
        SubmitJob submit,
        PreviewJob preview,
        CancellationToken ct,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey = null,
        bool dryRun = false
    )
    {
        if (RefuseBody(context, idempotencyKey) is { } notRead)
        {
            return notRead;
        }
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, ct);
        var reading = SpecReader.Read(body.GetBuffer().AsSpan(0, (int)body.Length));
        if (reading.Spec is not { } spec)
        {
            return Problems.Invalid(reading.Errors);
        }
        if (spec.Environment is not null)
        {
            return Problems.Invalid([
                new SpecError("environment", "A job has none; POST an environment to /api/v1/environments."),
            ]);
        }
        var actor = context.User.Actor();
        if (dryRun)
        {
            return TypedResults.Ok(await preview.RunAsync(actor, spec, ct));
        }
        var idempotency = Idempotency.Of(idempotencyKey, SpecWriter.Write(spec));
        return Answer(await submit.RunAsync(actor, spec, idempotency, ct));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        long id,
        ClaimsPrincipal user,
        DeleteWorkload delete,
        CancellationToken ct
    ) => Replies.Done(await delete.RunAsync(user.Actor(), id, ct), "job");

    private static async Task<Results<Accepted<JobResponse>, ProblemHttpResult>> StopAsync(
        long id,
        ClaimsPrincipal user,
        StopWorkload stop,
        JobQueries jobs,
        CancellationToken ct
    )
    {
        var outcome = await stop.RunAsync(user.Actor(), id, ct);
        if (outcome is not Outcome<long>.Done)
        {
            return Problems.Of(outcome, "job");
        }
        return await jobs.FindAsync(user.Actor(), id, ct) is { } job
            ? TypedResults.Accepted($"/api/v1/jobs/{id}", JobResponse.Of(job))
            : Problems.NotFound("job");
    }

    private static async Task<Results<Created<SubmittedResponse>, Ok<SubmittedResponse>, ProblemHttpResult>> CloneAsync(
        long id,
        ClaimsPrincipal user,
        CloneJob clone,
        CancellationToken ct,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey = null
    ) =>
        RefuseKey(idempotencyKey) is { } refused
            ? refused
            : Answer(await clone.RunAsync(user.Actor(), id, ct, Idempotency.Of(idempotencyKey, $"clone {id}")));

    private static async Task<
        Results<Created<SubmittedResponse>, Ok<SubmittedResponse>, ProblemHttpResult>
    > RunAgainAsync(
        long id,
        ClaimsPrincipal user,
        RunJobAgain again,
        CancellationToken ct,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey = null
    ) =>
        RefuseKey(idempotencyKey) is { } refused
            ? refused
            : Answer(await again.RunAsync(user.Actor(), id, ct, Idempotency.Of(idempotencyKey, $"run {id} again")));

    private static async Task<Results<Ok<JobResponse>, ProblemHttpResult>> EditAsync(
        long id,
        RunEditRequest body,
        ClaimsPrincipal user,
        EditRun edit,
        JobQueries jobs,
        CancellationToken ct
    )
    {
        var (read, errors) = body.Read();
        if (errors.Count > 0)
        {
            return Problems.Invalid(errors);
        }
        var outcome = await edit.RunAsync(user.Actor(), id, read, ct);
        if (outcome is not Outcome<long>.Done)
        {
            return Problems.Of(outcome, "job");
        }
        return await jobs.FindAsync(user.Actor(), id, ct) is { } job
            ? TypedResults.Ok(JobResponse.Of(job))
            : Problems.NotFound("job");
    }

    private static Results<Created<SubmittedResponse>, Ok<SubmittedResponse>, ProblemHttpResult> Answer(
        Outcome<Submitted> outcome
    )
    {
        if (outcome is not Outcome<Submitted>.Done { Value: var submitted })
        {
            return Problems.Of(outcome, "job");
        }
        var response = SubmittedResponse.Of(submitted);
        return submitted.Replayed ? TypedResults.Ok(response) : TypedResults.Created(response.Url, response);
    }

    /// <summary>A number in place of a state reads as one that there is not. Null where all are states.</summary>
    internal static ProblemHttpResult? RefuseStates(WorkloadState[]? states) =>
        (states ?? []).All(Enum.IsDefined)
            ? null
            : Problems.Invalid([
                new SpecError("state", $"One of {string.Join(", ", Enum.GetNames<WorkloadState>())} is allowed."),
            ]);

    /// <summary>Of a spec that is read by hand: it is no JSON, or its key is none. Null where it may be read.</summary>
    internal static ProblemHttpResult? RefuseBody(HttpContext context, string? idempotencyKey) =>
        !context.Request.HasJsonContentType()
            ? Problems.Of(
                StatusCodes.Status415UnsupportedMediaType,
                "The body must be JSON: send Content-Type: application/json."
            )
            : RefuseKey(idempotencyKey);

    internal static ProblemHttpResult? RefuseKey(string? idempotencyKey) =>
        idempotencyKey is not null && !IsKey(idempotencyKey)
            ? Problems.Invalid([new SpecError("Idempotency-Key", "1 to 128 printable ASCII characters are allowed.")])
            : null;

    private static bool IsKey(string key) =>
        key.Length is > 0 and <= 128 && key.All(c => c is >= '!' and <= '~' or ' ');
}
