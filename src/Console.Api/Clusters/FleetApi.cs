using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Api.Workloads;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Clusters;

/// <summary>Clusters, hosts, GPUs, the queue and the overview of them all. Everyone signed in sees the fleet.</summary>
public static class FleetApi
{
    internal static void MapFleet(this RouteGroupBuilder api)
    {
        var fleet = api.MapGroup("").WithTags("fleet").RequireAuthorization(Scopes.ClustersRead);
        fleet.MapGet("/clusters", ClustersAsync).WithSummary("Clusters, with what is free.");
        fleet
            .MapGet("/clusters/{name}/pairs", PairsAsync)
            .WithSummary(
                "The network between each two hosts that a job spanned: its newest reading, and what is typical."
            );
        fleet.MapGet("/hosts", HostsAsync).WithSummary("Hosts with their GPUs and last readings.");
        fleet.MapGet("/hosts/{name}", HostAsync).WithSummary("One host.");
        fleet.MapGet("/hosts/{name}/metrics", HostMetricsAsync).WithSummary("The host's series, or the points of one.");
        fleet
            .MapGet("/hosts/{name}/metrics/csv", HostCsvAsync)
            .RequireRateLimiting(ApiLimits.Streams)
            .Produces(StatusCodes.Status200OK, contentType: CsvText.ContentType)
            .WithSummary("The named series of the host and its GPUs as CSV.");
        fleet.MapGet("/gpus", GpusAsync).WithSummary("GPUs of all hosts: who holds each, and its last reading.");
        fleet.MapGet("/gpus/{uuid}/metrics", GpuMetricsAsync).WithSummary("The GPU's series, or the points of one.");
        fleet.MapGet("/overview", OverviewAsync).WithSummary("What the first page shows.");
        api.MapGet("/queue", QueueAsync)
            .WithTags("fleet")
            .RequireAuthorization(Scopes.JobsRead)
            .WithSummary("Your queued jobs in the order of starting, each with why it waits.");
    }

    private static async Task<Ok<Page<ClusterView>>> ClustersAsync(FleetQueries fleet, CancellationToken ct) =>
        TypedResults.Ok(Paging.All(await fleet.ClustersAsync(ct)));

    private static async Task<Results<Ok<Page<PairView>>, ProblemHttpResult>> PairsAsync(
        string name,
        PairQueries pairs,
        CancellationToken ct,
        string? host = null,
        string? cursor = null,
        int limit = Paging.DefaultLimit
    )
    {
        if (Paging.RefuseSkip(cursor, limit, out var skip) is { } refused)
        {
            return refused;
        }
        return await pairs.FindAsync(name, host, skip, limit, ct) is { } found
            ? TypedResults.Ok(Paging.From(found, skip, limit))
            : Problems.NotFound("cluster");
    }

    private static async Task<Ok<Page<HostView>>> HostsAsync(
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await fleet.HostsAsync(user.Actor(), ct)));

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> HostAsync(
        string name,
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    ) =>
        await fleet.FindHostAsync(user.Actor(), name, ct) is { } host
            ? TypedResults.Ok(host)
            : Problems.NotFound("host");

    private static async Task<Ok<Page<GpuView>>> GpusAsync(
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    )
    {
        var hosts = await fleet.HostsAsync(user.Actor(), ct);
        return TypedResults.Ok(Paging.All<GpuView>([.. hosts.SelectMany(h => h.Gpus)]));
    }

    private static async Task<IResult> HostMetricsAsync(
        string name,
        [AsParameters] SeriesQuery query,
        ClaimsPrincipal user,
        FleetQueries fleet,
        SeriesAnswers answers,
        CancellationToken ct
    ) =>
        await fleet.FindHostAsync(user.Actor(), name, ct) is { } host
            ? await answers.AnswerAsync(query, [(SeriesOwner.Host, host.Id.ToString(), host.Name)], ct)
            : Problems.NotFound("host");

    private static async Task<IResult> HostCsvAsync(
        HttpContext context,
        string name,
        [AsParameters] SeriesCsvQuery query,
        FleetQueries fleet,
        SeriesCsv csv,
        CancellationToken ct
    )
    {
        if (await fleet.FindHostAsync(context.User.Actor(), name, ct) is not { } host)
        {
            return Problems.NotFound("host");
        }
        return await csv.AnswerAsync(
            context.Response,
            query,
            [
                new(SeriesOwner.Host, host.Id.ToString(), host.Name),
                .. host.Gpus.Select(g => new SeriesHolder(SeriesOwner.Gpu, g.Uuid, $"{host.Name} GPU {g.Index}")),
            ],
            $"host-{host.Name}",
            ct
        );
    }

    private static async Task<IResult> GpuMetricsAsync(
        string uuid,
        [AsParameters] SeriesQuery query,
        ClaimsPrincipal user,
        FleetQueries fleet,
        SeriesAnswers answers,
        CancellationToken ct
    )
    {
        var hosts = await fleet.HostsAsync(user.Actor(), ct);
        return hosts.SelectMany(h => h.Gpus).FirstOrDefault(g => g.Uuid == uuid) is { } gpu
            ? await answers.AnswerAsync(query, [(SeriesOwner.Gpu, gpu.Uuid, $"{gpu.Host}/{gpu.Index}")], ct)
            : Problems.NotFound("GPU");
    }

    private static async Task<Ok<OverviewView>> OverviewAsync(
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    ) => TypedResults.Ok(await fleet.OverviewAsync(user.Actor(), ct));

    private static async Task<Results<Ok<Page<QueueRow>>, ProblemHttpResult>> QueueAsync(
        ClaimsPrincipal user,
        JobQueries jobs,
        CancellationToken ct,
        string? cursor = null,
        int limit = Paging.DefaultLimit
    )
    {
        if (Paging.RefuseSkip(cursor, limit, out var skip) is { } refused)
        {
            return refused;
        }
        // The queue moves on between two pages: a row may be seen twice or not at all, as in any queue one walks along
        return TypedResults.Ok(Paging.From(await jobs.QueueAsync(user.Actor(), skip, limit, ct), skip, limit));
    }
}
