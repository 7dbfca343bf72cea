using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Terminals;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Terminals;

/// <param name="Replica">null for the first</param>
/// <param name="Columns">of characters; 80 where absent</param>
/// <param name="Rows">24 where absent</param>
public sealed record OpenTerminalBody(string? Replica = null, int? Columns = null, int? Rows = null);

/// <param name="Said">bytes that its shell has said so far: places in `from` and `seen` count so</param>
/// <param name="Ended">how it ended; null while it is open</param>
public sealed record TerminalResponse(
    Guid Id,
    long WorkloadId,
    string Replica,
    int Attempt,
    DateTimeOffset OpenedAt,
    DateTimeOffset LastUsedAt,
    long Said,
    string? Ended
)
{
    internal static TerminalResponse Of(Terminal t) =>
        new(
            t.Id,
            t.Request.WorkloadId,
            t.Request.Replica,
            t.Request.Attempt,
            t.OpenedAt,
            t.LastUsedAt,
            t.Said,
            t.End?.Message
        );
}

/// <summary>
/// Shells in running replicas. A terminal is its opener's alone, and lives in the console that it was opened at, whether somebody
/// is attached or not.
/// </summary>
public static class TerminalsApi
{
    internal static void MapTerminals(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/workloads/{id:long}/terminals")
            .WithTags("terminals")
            .RequireAuthorization(Scopes.JobsWrite);
        group.MapGet("", List).WithSummary("Your terminals in a job or environment, of this console.");
        group
            .MapPost("", OpenAsync)
            .ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Opens a shell in a running replica.");
        group.MapDelete("/{terminal:guid}", CloseAsync).WithSummary("Ends its shell. Again is fine.");
        group
            .MapGet("/{terminal:guid}/attach", AttachAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .WithSummary("A WebSocket to it: binary messages are what is said and typed, text messages are JSON.");
    }

    private static Ok<IReadOnlyList<TerminalResponse>> List(long id, HttpContext context, OpenTerminals terminals) =>
        TypedResults.Ok<IReadOnlyList<TerminalResponse>>([
            .. terminals
                .Of(context.User.Actor().UserId, id)
                .Where(t => t.End is not { Reason: TerminalEndReason.AccessEnded or TerminalEndReason.Closed })
                .Select(TerminalResponse.Of),
        ]);

    private static async Task<Results<Created<TerminalResponse>, ProblemHttpResult>> OpenAsync(
        long id,
        OpenTerminalBody body,
        HttpContext context,
        TerminalVerbs verbs,
        CancellationToken ct
    )
    {
        var size = new TerminalSize(body.Columns ?? TerminalSize.Usual.Columns, body.Rows ?? TerminalSize.Usual.Rows);
        if (Wrong(size) is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }
        var user = context.User;
        var outcome = await verbs.OpenAsync(user.Actor(), user.TokenId(), user.StampOf(), id, body.Replica, size, ct);
        if (outcome is not Outcome<TerminalOpening>.Done { Value: var opening })
        {
            return Problems.Of(outcome, "job or environment");
        }
        return opening switch
        {
            TerminalOpening.Opened { Terminal: var t } => TypedResults.Created(
                $"/api/v1/workloads/{id}/terminals/{t.Id}",
                TerminalResponse.Of(t)
            ),
            TerminalOpening.TooMany many => Problems.Of(StatusCodes.Status429TooManyRequests, many.Message),
            TerminalOpening.Refused no => Problems.Of(StatusCodes.Status422UnprocessableEntity, no.Message),
            TerminalOpening.Ended ended => Problems.Of(StatusCodes.Status409Conflict, ended.Message),
            TerminalOpening.Unreachable away => Problems.Of(StatusCodes.Status503ServiceUnavailable, away.Message),
            _ => throw new InvalidOperationException($"{opening} is no answer."),
        };
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> CloseAsync(
        long id,
        Guid terminal,
        HttpContext context,
        OpenTerminals terminals
    )
    {
        if (terminals.Find(context.User.Actor().UserId, id, terminal) is not { } found)
        {
            return NotHere();
        }
        await found.EndAsync(TerminalEndReason.Closed, "It was closed.");
        return TypedResults.NoContent();
    }

    private static async Task<IResult> AttachAsync(
        long id,
        Guid terminal,
        HttpContext context,
        OpenTerminals terminals,
        TerminalSocket socket,
        long? from = null,
        bool paced = false
    )
    {
        if (
            terminals.Find(context.User.Actor().UserId, id, terminal)
            is not { End: not { Reason: TerminalEndReason.AccessEnded } } found
        )
        {
            return NotHere();
        }
        if (!context.WebSockets.IsWebSocketRequest)
        {
            return Problems.Of(StatusCodes.Status400BadRequest, "Open this address as a WebSocket.");
        }
        await socket.ServeAsync(context, found, from, paced);
        return TypedResults.Empty;
    }

    private static ProblemHttpResult NotHere() =>
        Problems.Of(
            StatusCodes.Status404NotFound,
            "There is no such terminal in this console, or it is not yours. A terminal lives in the console that it was opened at, and ends with it."
        );

    internal static List<SpecError> Wrong(TerminalSize size)
    {
        List<SpecError> errors = [];
        if (!(size with { Rows = 1 }).IsAllowed)
        {
            errors.Add(
                new SpecError("columns", $"This is {size.Columns}; 2 to {TerminalSize.MostColumns} are allowed.")
            );
        }
        if (!(size with { Columns = 2 }).IsAllowed)
        {
            errors.Add(new SpecError("rows", $"This is {size.Rows}; 1 to {TerminalSize.MostRows} are allowed."));
        }
        return errors;
    }
}
