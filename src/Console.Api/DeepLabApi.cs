using DeepLab.Api.Auth;
using DeepLab.Api.Clusters;
using DeepLab.Api.Documents;
using DeepLab.Api.Errors;
using DeepLab.Api.Gateway;
using DeepLab.Api.Health;
using DeepLab.Api.Hubs;
using DeepLab.Api.Images;
using DeepLab.Api.Schedules;
using DeepLab.Api.Tenancy;
using DeepLab.Api.Terminals;
using DeepLab.Api.Volumes;
using DeepLab.Api.Workloads;
using DeepLab.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api;

/// <summary>
/// The doors for programs, and the authentication of all doors. A host calls the three in this order:
/// <see cref="AddDeepLabApi"/> on its services, <see cref="UseDeepLabApi"/> first in its pipeline (it holds errors, headers,
/// authentication and authorization), <see cref="MapDeepLabApi"/> among its endpoints.
/// </summary>
public static class DeepLabApi
{
    /// <summary>Bytes of a body, where an endpoint says nothing else.</summary>
    public const long MaxBody = 1 << 20;

    /// <summary>Needs what <see cref="CoreServices.AddDeepLabCore"/> registers.</summary>
    public static IServiceCollection AddDeepLabApi(this IServiceCollection services, ConsoleOptions options)
    {
        // A line ends with both characters: what one server reads as one header, the next might read as two
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        services.AddApiAuth(options);
        services.AddApiJson();
        services.AddApiLimits();
        services.AddApiDocument();
        services.AddApiSchedules();
        services.AddApiHubs();
        services.AddGateway();
        services.AddSingleton<TerminalSocket>();
        services.AddHostedService<TerminalWatch>();
        services.AddSingleton<JobLogs>();
        services.AddSingleton<SeriesAnswers>();
        services.AddSingleton<SeriesCsv>();
        services.AddHealthChecks();
        services.AddProblemDetails();
        services.AddExceptionHandler<ProblemHandler>();
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        return services;
    }

    public static WebApplication UseDeepLabApi(this WebApplication app)
    {
        app.UseMiddleware<GatewayMiddleware>();
        app.UseMiddleware<SecurityHeaders>();
        app.UseExceptionHandler();
        app.UseStatusCodePages(EmptyAnswers.FillAsync);
        app.UseMiddleware<QueryText>();
        app.UseRouting();
        app.UseAuthentication();
        app.UseMiddleware<SameOrigin>();
        app.UseRateLimiter();
        app.UseAuthorization();
        // Hubs and circuits bring their own
        app.UseWhen(
            c => c.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase),
            api => api.UseWebSockets(TerminalSocket.Options)
        );
        return app;
    }

    public static WebApplication MapDeepLabApi(this WebApplication app)
    {
        var api = app.MapGroup("/api/v1")
            .RequireRateLimiting(ApiLimits.Calls)
            .WithMetadata(new RequestSizeLimitAttribute(MaxBody))
            .WithProblems();
        api.MapSessions();
        api.MapTokens();
        api.MapSshKeys();
        api.MapTeams();
        api.MapJobs();
        api.MapEnvironments();
        api.MapHomes();
        api.MapTensorBoards();
        api.MapQueueMoves();
        api.MapJobLogs();
        api.MapCheckpoints();
        api.MapJobMetrics();
        api.MapJobMedia();
        api.MapCompare();
        api.MapHistory();
        api.MapCode();
        api.MapImages();
        api.MapImageTasks();
        api.MapImagePolicy();
        api.MapRegistries();
        api.MapVolumes();
        api.MapDatasets();
        api.MapEndpoints();
        api.MapTerminals();
        api.MapFleet();
        api.MapFleetEdits();
        api.MapGpuEdits();
        app.MapSignIn();
        app.MapGatewayEntry();
        app.MapHealth();
        app.MapApiDocument();
        app.MapSchedules();
        app.MapHub<LiveHub>("/hubs/live", o => o.CloseOnAuthenticationExpiration = true);
        return app;
    }

    private static RouteGroupBuilder WithProblems(this RouteGroupBuilder group)
    {
        foreach (var status in (int[])[400, 401, 403, 404, 429, 503])
        {
            group.WithMetadata(
                new ProducesResponseTypeMetadata(status, typeof(ProblemDetails), [Problems.ContentType])
            );
        }
        return group;
    }
}
