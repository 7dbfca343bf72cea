using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace DeepLab.Api.Health;

/// <summary>Live: the process answers. Ready: every check tagged `ready` that the host registered is well.</summary>
public static class HealthApi
{
    public const string ReadyTag = "ready";

    private static readonly HttpMethodMetadata s_get = new(["GET"]);

    internal static void MapHealth(this IEndpointRouteBuilder routes)
    {
        routes.MapHealthChecks("/health/live", Answer(_ => false)).WithMetadata(s_get).AllowAnonymous().ShortCircuit();
        routes
            .MapHealthChecks("/health/ready", Answer(c => c.Tags.Contains(ReadyTag)))
            .WithMetadata(s_get)
            .AllowAnonymous()
            .ShortCircuit();
    }

    private static HealthCheckOptions Answer(Func<HealthCheckRegistration, bool> which) =>
        new() { Predicate = which, ResponseWriter = WriteAsync };

    /// <summary>Names and states only: whoever asks is not signed in.</summary>
    private static Task WriteAsync(HttpContext context, HealthReport report) =>
        context.Response.WriteAsJsonAsync(
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(e => e.Key, e => e.Value.Status.ToString()),
            },
            JsonSerializerOptions.Web,
            context.RequestAborted
        );
}
