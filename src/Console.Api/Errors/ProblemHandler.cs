using System.Text.Json;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Errors;

/// <summary>Turns what was thrown into a problem, once for all endpoints. Nothing of a bug's text leaves the process.</summary>
internal sealed partial class ProblemHandler(ILogger<ProblemHandler> logger) : IExceptionHandler
{
    private const int RetryAfterSeconds = 5;

    /// <summary>ENOSPC, as the runtime hands it on.</summary>
    private const int NoSpaceLeft = 28;

    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken ct)
    {
        if (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested)
        {
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return true;
        }
        if (exception is BadHttpRequestException bad)
        {
            var errors = Explain(bad);
            await Problems.WriteAsync(context, bad.StatusCode, Sentence(bad), errors);
            return true;
        }
        if (Problems.IsDatabaseTrouble(exception))
        {
            Log.DatabaseTrouble(
                logger,
                context.Request.Method,
                context.Request.Path,
                exception.GetBaseException().Message
            );
            context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString();
            await Problems.WriteAsync(
                context,
                StatusCodes.Status503ServiceUnavailable,
                "The database does not answer; running jobs go on. Try again later."
            );
            return true;
        }
        if (exception is IOException { HResult: NoSpaceLeft })
        {
            Log.DiskFull(logger, context.Request.Method, context.Request.Path);
            await Problems.WriteAsync(
                context,
                StatusCodes.Status507InsufficientStorage,
                "The console's data folder is full; nothing was kept. Jobs go on. Free space and send it again."
            );
            return true;
        }
        Log.Unexpected(logger, exception, context.Request.Method, context.Request.Path);
        await Problems.WriteAsync(
            context,
            StatusCodes.Status500InternalServerError,
            $"Something went wrong in the console; its log has it under {context.TraceIdentifier}."
        );
        return true;
    }

    private static string Sentence(BadHttpRequestException bad) =>
        bad.StatusCode switch
        {
            StatusCodes.Status413PayloadTooLarge => "The body is larger than this address takes.",
            StatusCodes.Status415UnsupportedMediaType => "The body must be JSON: send Content-Type: application/json.",
            _ when bad.InnerException is JsonException => "The body is not what is allowed here.",
            _ => bad.Message,
        };

    private static SpecError[]? Explain(BadHttpRequestException bad)
    {
        if (bad.InnerException is not JsonException json)
        {
            return null;
        }
        var path = json.Path is ['$', .. var rest] ? rest.TrimStart('.') : "";
        // The serializer's own sentence, without the type names and the position that it adds
        var message = json.Message.Split(" Path:")[0];
        foreach (var (name, plain) in s_types)
        {
            message = message.Replace(name, plain, StringComparison.Ordinal);
        }
        var type = message.IndexOf("DeepLab.", StringComparison.Ordinal);
        return
        [
            new SpecError(
                path,
                message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal)
                        ? "There is no such key here."
                    : message.Contains("Duplicate property", StringComparison.OrdinalIgnoreCase)
                        ? "A key is there more than once; once is allowed."
                    : message.Contains("missing required", StringComparison.Ordinal) ? Missing(message)
                    : type < 0 ? message
                    : "The value is not of the allowed kind."
            ),
        ];
    }

    /// <summary>Keeps the names of the keys, which the serializer lists after a colon.</summary>
    private static string Missing(string message)
    {
        var at = message.LastIndexOf(": ", StringComparison.Ordinal);
        return at < 0 ? "A needed key is missing." : $"Needed and missing: {message[(at + 2)..].TrimEnd('.')}.";
    }

    private static readonly (string, string)[] s_types =
    [
        ("System.String[]", "a list of texts"),
        ("System.String", "text"),
        ("System.Int32", "a whole number"),
    ];

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{Method} {Path}: the data folder is full")]
        public static partial void DiskFull(ILogger logger, string method, string path);

        [LoggerMessage(LogLevel.Warning, "{Method} {Path}: the database does not answer: {Error}")]
        public static partial void DatabaseTrouble(ILogger logger, string method, string? path, string error);

        [LoggerMessage(LogLevel.Error, "{Method} {Path} failed")]
        public static partial void Unexpected(ILogger logger, Exception exception, string method, string? path);
    }
}

/// <summary>Gives a problem to answers that routing made without a body, where a program asked.</summary>
internal static class EmptyAnswers
{
    public static Task FillAsync(StatusCodeContext context)
    {
        var http = context.HttpContext;
        return Auth.ApiPaths.IsProgram(http.Request.Path)
            ? Problems.WriteAsync(http, http.Response.StatusCode, Sentence(http.Response.StatusCode))
            : Task.CompletedTask;
    }

    private static string Sentence(int status) =>
        status switch
        {
            StatusCodes.Status404NotFound => "There is no such address; /openapi lists what there is.",
            StatusCodes.Status405MethodNotAllowed => "This address does not take this method.",
            StatusCodes.Status415UnsupportedMediaType => "This address does not take a body of this Content-Type.",
            _ => "The call was refused.",
        };
}

/// <summary>Refuses text that the database could not hold, before any endpoint meets it.</summary>
internal sealed class QueryText(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context)
    {
        foreach (var (name, values) in context.Request.Query)
        {
            if (IsBad(name) || values.Any(v => v is not null && IsBad(v)))
            {
                return Problems.WriteAsync(
                    context,
                    StatusCodes.Status400BadRequest,
                    "The query holds a NUL character or half of a surrogate pair."
                );
            }
        }
        return next(context);
    }

    private static bool IsBad(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0' || char.IsLowSurrogate(text[i]))
            {
                return true;
            }
            if (char.IsHighSurrogate(text[i]) && (++i == text.Length || !char.IsLowSurrogate(text[i])))
            {
                return true;
            }
        }
        return false;
    }
}
