using System.Data.Common;
using System.Net.Sockets;
using System.Text.Json;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace DeepLab.Api.Errors;

/// <summary>RFC 9457 problems. `errors` holds what is wrong with the input, each with its path.</summary>
public static class Problems
{
    public const string ContentType = "application/problem+json";
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);

    public static ProblemHttpResult Of(int status, string detail, IReadOnlyList<SpecError>? errors = null) =>
        TypedResults.Problem(Details(status, detail, errors));

    public static ProblemHttpResult Invalid(
        IReadOnlyList<SpecError> errors,
        int status = StatusCodes.Status400BadRequest
    ) =>
        Of(
            status,
            errors.Count == 1
                ? "One thing is wrong with the input."
                : $"{errors.Count} things are wrong with the input.",
            errors
        );

    public static ProblemHttpResult NotFound(string what) =>
        Of(StatusCodes.Status404NotFound, $"There is no such {what}, or it is not yours.");

    /// <summary>What a verb answered, where it was not done.</summary>
    /// <param name="what">what was looked for, such as `job`</param>
    public static ProblemHttpResult Of<T>(Outcome<T> outcome, string what) =>
        outcome switch
        {
            Outcome<T>.Refused refused => Invalid(refused.Errors, StatusCodes.Status422UnprocessableEntity),
            Outcome<T>.NotFound => NotFound(what),
            Outcome<T>.Conflict conflict => Of(StatusCodes.Status409Conflict, conflict.Message),
            _ => throw new InvalidOperationException("An outcome that was done is no problem."),
        };

    /// <summary>Writes a problem where no result can be returned. Does nothing once the answer began.</summary>
    public static async Task WriteAsync(
        HttpContext context,
        int status,
        string detail,
        IReadOnlyList<SpecError>? errors = null
    )
    {
        if (context.Response.HasStarted)
        {
            return;
        }
        context.Response.StatusCode = status;
        await context.Response.WriteAsJsonAsync(
            Details(status, detail, errors),
            s_json,
            ContentType,
            context.RequestAborted
        );
    }

    /// <summary>True where the database did not answer, or could not just now; the same call may succeed later.</summary>
    public static bool IsDatabaseTrouble(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            if (e is DbException db)
            {
                // No state: the connection failed. Else by class: connection, rollback, resources, shutdown
                return db.IsTransient
                    || db.SqlState is null
                    || db.SqlState[..2] is "08" or "40" or "53" or "57" or "58"
                    // It takes no writes, or ended a transaction that took too long
                    || db.SqlState is "25006" or "25P03"
                    // The database is not made or migrated yet
                    || db.SqlState is "3D000" or "42P01";
            }
            if (e is TimeoutException or SocketException)
            {
                return true;
            }
        }
        return false;
    }

    private static ProblemDetails Details(int status, string detail, IReadOnlyList<SpecError>? errors)
    {
        var problem = new ProblemDetails
        {
            Status = status,
            Title = ReasonPhrases.GetReasonPhrase(status),
            Detail = detail,
        };
        if (errors is not null)
        {
            problem.Extensions["errors"] = errors;
        }
        return problem;
    }
}
