using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.History;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <param name="Days">1 to 3,650 after its end that a job stays in the history; null = for ever</param>
public sealed record HistoryKeepingRequest(int? Days);

/// <summary>The history as a whole: searches under names, export, how long it is kept.</summary>
public static class HistoryApi
{
    internal static void MapHistory(this RouteGroupBuilder api)
    {
        api.MapGet("/jobs/export", ExportAsync)
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsRead)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces(StatusCodes.Status200OK, contentType: CsvText.ContentType)
            .Produces(StatusCodes.Status200OK, contentType: HistoryWriter.JsonLines)
            .WithSummary("All jobs that a search finds, newest first, as CSV or as a line of JSON each.");

        var read = api.MapGroup("/views").WithTags("views").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ViewsAsync).WithSummary("Saved searches: one's own, then those that one's teams share.");
        var write = api.MapGroup("/views").WithTags("views").RequireAuthorization(Scopes.JobsWrite);
        write.MapPost("", AddViewAsync).WithSummary("Saves a search under a name.");
        write.MapPut("/{id:guid}", ChangeViewAsync).WithSummary("Changes one's own.");
        write.MapDelete("/{id:guid}", RemoveViewAsync).WithSummary("Removes one's own.");

        var keeping = api.MapGroup("/history/keeping").WithTags("jobs").RequireAuthorization(Scopes.Admin);
        keeping.MapGet("", KeepingAsync).WithSummary("How long ended jobs stay, and how many are due.");
        keeping.MapPut("", KeepAsync).WithSummary("Sets it. Pinned jobs, and those with a pinned checkpoint, stay.");
    }

    private static async Task<IResult> ExportAsync(
        HttpContext context,
        ExportHistory export,
        TimeProvider time,
        CancellationToken ct,
        WorkloadState[]? state = null,
        string? search = null,
        string? owner = null,
        string? host = null,
        string? q = null,
        string format = "csv"
    )
    {
        var errors = new List<SpecError>(SearchQuery.Read(q, time.GetUtcNow()).Errors);
        if (format is not ("csv" or "jsonl"))
        {
            errors.Add(new SpecError("format", "\"csv\" or \"jsonl\" is allowed."));
        }
        if (JobsApi.RefuseStates(state) is { } unknown)
        {
            return unknown;
        }
        if (errors.Count > 0)
        {
            return Problems.Invalid(errors);
        }
        var filter = new JobFilter
        {
            States = state ?? [],
            Search = search,
            Owner = owner,
            Host = host,
            Query = q,
        };
        await HistoryWriter.WriteAsync(
            context.Response,
            export.ReadAsync(context.User.Actor(), filter, ct),
            asCsv: format == "csv",
            time.GetUtcNow(),
            ct
        );
        return Results.Empty;
    }

    private static async Task<Ok<Page<SavedViewRow>>> ViewsAsync(
        ClaimsPrincipal user,
        SavedViews views,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await views.ListAsync(user.Actor(), ct)));

    private static async Task<Results<Created<SavedViewRow>, ProblemHttpResult>> AddViewAsync(
        SavedViewInput body,
        ClaimsPrincipal user,
        SavedViews views,
        CancellationToken ct
    )
    {
        var outcome = await views.SaveAsync(user.Actor(), null, body, ct);
        return outcome is Outcome<SavedViewRow>.Done { Value: var made }
            ? TypedResults.Created($"/api/v1/views/{made.Id}", made)
            : Refused(outcome);
    }

    private static async Task<Results<Ok<SavedViewRow>, ProblemHttpResult>> ChangeViewAsync(
        Guid id,
        SavedViewInput body,
        ClaimsPrincipal user,
        SavedViews views,
        CancellationToken ct
    )
    {
        var outcome = await views.SaveAsync(user.Actor(), id, body, ct);
        return outcome is Outcome<SavedViewRow>.Done { Value: var made } ? TypedResults.Ok(made) : Refused(outcome);
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveViewAsync(
        Guid id,
        ClaimsPrincipal user,
        SavedViews views,
        CancellationToken ct
    ) => Replies.Done(await views.RemoveAsync(user.Actor(), id, ct), "view");

    private static async Task<Ok<HistoryKeepingView>> KeepingAsync(HistoryKeeping keeping, CancellationToken ct) =>
        TypedResults.Ok(await keeping.FindAsync(null, ct));

    private static async Task<Results<Ok<HistoryKeepingView>, ProblemHttpResult>> KeepAsync(
        HistoryKeepingRequest body,
        ClaimsPrincipal user,
        HistoryKeeping keeping,
        CancellationToken ct
    )
    {
        var outcome = await keeping.SetAsync(user.Actor(), body.Days, ct);
        return outcome switch
        {
            Outcome<HistoryKeepingView>.Done done => TypedResults.Ok(done.Value),
            Outcome<HistoryKeepingView>.Refused bad => Problems.Invalid(bad.Errors),
            _ => Problems.Of(outcome, "setting"),
        };
    }

    private static ProblemHttpResult Refused(Outcome<SavedViewRow> outcome) =>
        outcome is Outcome<SavedViewRow>.Refused bad ? Problems.Invalid(bad.Errors) : Problems.Of(outcome, "view");
}
