using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Clusters;

/// <summary>PEM texts. They are kept sealed, and no answer holds them.</summary>
public sealed record CredentialsBody(string Ca, string Certificate, string Key);

/// <param name="ManagerAddress">engine of a Swarm manager, whose nodes become the cluster's hosts</param>
/// <param name="NodePort">port of the nodes' engines; 2376 where absent</param>
/// <param name="Credentials">for the manager and its nodes</param>
/// <param name="Trusted">its jobs may have their hosts' networks, past every wall; false where absent</param>
public sealed record ClusterRequest(
    string Name,
    string? ManagerAddress = null,
    int? NodePort = null,
    CredentialsBody? Credentials = null,
    bool Trusted = false
);

/// <summary>What is absent stays as it is.</summary>
/// <param name="Trusted">its jobs may have their hosts' networks, past every wall</param>
public sealed record ClusterPatch(bool? Trusted = null);

/// <param name="Address">`unix:///path`, or `tcp://address:port` with `ca`, `certificate` and `key` (PEM)</param>
/// <param name="NetworkAddress">by which other hosts reach it</param>
public sealed record HostRequest(
    string Name,
    string Cluster,
    string Address,
    string? Ca = null,
    string? Certificate = null,
    string? Key = null,
    Dictionary<string, string>? Labels = null,
    string? NetworkAddress = null
);

/// <summary>What is absent stays as it is; labels are replaced as a whole.</summary>
public sealed record HostPatch(
    Dictionary<string, string>? Labels = null,
    string? NetworkAddress = null,
    string? Ca = null,
    string? Certificate = null,
    string? Key = null
);

/// <param name="Deadline">`hh:mm:ss` from now, after which what still runs is queued again; absent = it waits</param>
public sealed record DrainRequest(TimeSpan? Deadline = null);

/// <summary>What admins do to clusters and hosts.</summary>
public static class FleetEdits
{
    internal static void MapFleetEdits(this RouteGroupBuilder api)
    {
        var fleet = api.MapGroup("").WithTags("fleet").RequireAuthorization(Scopes.Admin);
        fleet.MapPost("/clusters", AddClusterAsync).WithSummary("Makes a cluster, of hosts or of a Swarm's nodes.");
        fleet
            .MapPatch("/clusters/{name}", EditClusterAsync)
            .WithSummary("Says whether its jobs may have their hosts' networks.");
        fleet.MapDelete("/clusters/{name}", RemoveClusterAsync).WithSummary("Takes an empty cluster out.");
        fleet.MapPost("/hosts", AddHostAsync).WithSummary("Enters a host; it takes work once its preflight passed.");
        fleet.MapPatch("/hosts/{name}", EditHostAsync).WithSummary("Changes labels, network address or credentials.");
        fleet.MapDelete("/hosts/{name}", RemoveHostAsync).WithSummary("Takes a host out on which nothing runs.");
        fleet.MapPost("/hosts/{name}/drain", DrainAsync).WithSummary("Finish what runs, take nothing new.");
        fleet.MapPost("/hosts/{name}/activate", ActivateAsync).WithSummary("Takes work again.");
        fleet.MapPost("/hosts/{name}/disable", DisableAsync).WithSummary("Takes nothing new; what runs goes on.");
        fleet.MapPost("/hosts/{name}/check", CheckAsync).WithSummary("Runs its preflight again.");
        fleet
            .MapPost("/hosts/{name}/fence", FenceAsync)
            .WithSummary("Says that a host which does not answer is dead: what it held is freed, unseen.");
    }

    internal static void MapGpuEdits(this RouteGroupBuilder api)
    {
        var gpus = api.MapGroup("/gpus/{uuid}").WithTags("fleet").RequireAuthorization(Scopes.Admin);
        gpus.MapPost("/fence", FenceGpuAsync).WithSummary("Takes a GPU out of service; what runs on it goes on.");
        gpus.MapPost("/clear", ClearGpuAsync)
            .WithSummary("Ends a fence, an eviction or an adoption; the next look says how the GPU is.");
        gpus.MapPost("/evict", EvictGpuAsync)
            .WithSummary("Ends the container that runs with a leaked GPU and holds no lease on it.");
        gpus.MapPost("/adopt", AdoptGpuAsync)
            .WithSummary("Lets what holds a GPU without a lease have it to its end; it is leased to nobody meanwhile.");
    }

    private static async Task<Results<Created<ClusterView>, ProblemHttpResult>> AddClusterAsync(
        ClusterRequest request,
        ClaimsPrincipal user,
        AddCluster verb,
        FleetQueries fleet,
        CancellationToken ct
    )
    {
        var c = request.Credentials;
        var outcome = await verb.RunAsync(
            user.Actor(),
            new NewCluster(
                request.Name,
                request.ManagerAddress,
                request.NodePort,
                new CredentialInput(c?.Ca, c?.Certificate, c?.Key),
                request.Trusted
            ),
            ct
        );
        return outcome is Outcome<string>.Done
            ? TypedResults.Created(
                "/api/v1/clusters",
                (await fleet.ClustersAsync(ct)).Single(v => v.Name == request.Name)
            )
            : Problems.Of(outcome, "cluster");
    }

    private static async Task<Results<Ok<ClusterView>, ProblemHttpResult>> EditClusterAsync(
        string name,
        ClusterPatch request,
        ClaimsPrincipal user,
        TrustCluster verb,
        FleetQueries fleet,
        CancellationToken ct
    )
    {
        var outcome = await verb.RunAsync(user.Actor(), name, request.Trusted, ct);
        return
            outcome is Outcome<string>.Done
            && (await fleet.ClustersAsync(ct)).FirstOrDefault(c => c.Name == name) is { } found
            ? TypedResults.Ok(found)
            : Problems.Of(outcome, "cluster");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveClusterAsync(
        string name,
        ClaimsPrincipal user,
        RemoveCluster verb,
        CancellationToken ct
    ) => Replies.Done(await verb.RunAsync(user.Actor(), name, ct), "cluster");

    private static async Task<Results<Created<HostView>, ProblemHttpResult>> AddHostAsync(
        HostRequest request,
        ClaimsPrincipal user,
        AddHost verb,
        FleetQueries fleet,
        CancellationToken ct
    )
    {
        var outcome = await verb.RunAsync(
            user.Actor(),
            new NewHost(
                request.Name,
                request.Cluster,
                request.Address,
                new CredentialInput(request.Ca, request.Certificate, request.Key),
                request.Labels ?? [],
                request.NetworkAddress ?? ""
            ),
            ct
        );
        return outcome is Outcome<string>.Done
            ? TypedResults.Created(
                $"/api/v1/hosts/{Uri.EscapeDataString(request.Name)}",
                await fleet.FindHostAsync(user.Actor(), request.Name, ct)
            )
            : Problems.Of(outcome, "host");
    }

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> EditHostAsync(
        string name,
        HostPatch request,
        ClaimsPrincipal user,
        EditHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) =>
        await HostAsync(
            await verb.RunAsync(
                user.Actor(),
                name,
                new HostEdit(
                    request.Labels,
                    request.NetworkAddress,
                    new CredentialInput(request.Ca, request.Certificate, request.Key)
                ),
                ct
            ),
            user,
            fleet,
            ct
        );

    private static async Task<Results<NoContent, ProblemHttpResult>> RemoveHostAsync(
        string name,
        ClaimsPrincipal user,
        RemoveHost verb,
        CancellationToken ct
    ) => Replies.Done(await verb.RunAsync(user.Actor(), name, ct), "host");

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> DrainAsync(
        string name,
        DrainRequest? request,
        ClaimsPrincipal user,
        DrainHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await HostAsync(await verb.RunAsync(user.Actor(), name, request?.Deadline, ct), user, fleet, ct);

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> ActivateAsync(
        string name,
        ClaimsPrincipal user,
        ActivateHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await HostAsync(await verb.RunAsync(user.Actor(), name, ct), user, fleet, ct);

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> DisableAsync(
        string name,
        ClaimsPrincipal user,
        DisableHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await HostAsync(await verb.RunAsync(user.Actor(), name, ct), user, fleet, ct);

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> CheckAsync(
        string name,
        ClaimsPrincipal user,
        CheckHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await HostAsync(await verb.RunAsync(user.Actor(), name, ct), user, fleet, ct);

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> FenceAsync(
        string name,
        ClaimsPrincipal user,
        FenceHost verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await HostAsync(await verb.RunAsync(user.Actor(), name, ct), user, fleet, ct);

    private static async Task<Results<Ok<GpuView>, ProblemHttpResult>> FenceGpuAsync(
        string uuid,
        ClaimsPrincipal user,
        FenceGpu verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await GpuAsync(await verb.RunAsync(user.Actor(), uuid, ct), user, fleet, ct);

    private static async Task<Results<Ok<GpuView>, ProblemHttpResult>> ClearGpuAsync(
        string uuid,
        ClaimsPrincipal user,
        ClearGpu verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await GpuAsync(await verb.RunAsync(user.Actor(), uuid, ct), user, fleet, ct);

    private static async Task<Results<Ok<GpuView>, ProblemHttpResult>> EvictGpuAsync(
        string uuid,
        ClaimsPrincipal user,
        EvictGpu verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await GpuAsync(await verb.RunAsync(user.Actor(), uuid, ct), user, fleet, ct);

    private static async Task<Results<Ok<GpuView>, ProblemHttpResult>> AdoptGpuAsync(
        string uuid,
        ClaimsPrincipal user,
        AdoptGpu verb,
        FleetQueries fleet,
        CancellationToken ct
    ) => await GpuAsync(await verb.RunAsync(user.Actor(), uuid, ct), user, fleet, ct);

    private static async Task<Results<Ok<GpuView>, ProblemHttpResult>> GpuAsync(
        Outcome<string> outcome,
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    )
    {
        if (outcome is not Outcome<string>.Done { Value: var uuid })
        {
            return Problems.Of(outcome, "GPU");
        }
        var hosts = await fleet.HostsAsync(user.Actor(), ct);
        return hosts.SelectMany(h => h.Gpus).FirstOrDefault(g => g.Uuid == uuid) is { } gpu
            ? TypedResults.Ok(gpu)
            : Problems.NotFound("GPU");
    }

    private static async Task<Results<Ok<HostView>, ProblemHttpResult>> HostAsync(
        Outcome<string> outcome,
        ClaimsPrincipal user,
        FleetQueries fleet,
        CancellationToken ct
    ) =>
        outcome is Outcome<string>.Done { Value: var name }
            ? await fleet.FindHostAsync(user.Actor(), name, ct) is { } host
                ? TypedResults.Ok(host)
                : Problems.NotFound("host")
            : Problems.Of(outcome, "host");
}
