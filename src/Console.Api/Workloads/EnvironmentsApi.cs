using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <summary>Makes, lists, starts, stops and deletes environments. Their logs, metrics and events are those of any workload, at `jobs`.</summary>
public static class EnvironmentsApi
{
    private const string What = "environment";
    private static readonly JsonSerializerOptions s_readable = new() { WriteIndented = true };

    internal static void MapEnvironments(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/environments").WithTags("environments").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync).WithSummary("Environments, newest first.");
        read.MapGet("/{id:long}", FindAsync).WithSummary("One environment, with its links while it runs.");
        read.MapGet("/{id:long}/definition", DefinitionAsync)
            .Produces<EnvironmentBody>()
            .WithSummary("Its definition, as a POST takes it: here, later, or at another console. No secret is in it.");

        var write = api.MapGroup("/environments").WithTags("environments").RequireAuthorization(Scopes.JobsWrite);
        write
            .MapPost("", CreateAsync)
            .Accepts<EnvironmentBody>("application/json")
            .Produces<SubmittedResponse>(StatusCodes.Status201Created)
            .Produces<JobPreview>()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithName("CreateEnvironment")
            .WithSummary("Makes an environment; with dryRun=true, says what would happen and changes nothing.");
        write
            .MapDelete("/{id:long}", DeleteAsync)
            .WithSummary("Takes an ended environment out of the list; home=delete takes its home away, for ever.");
        write.MapPost("/{id:long}/stop", StopAsync).WithSummary("Asks for a stop; the home stays. Again is fine.");
        write.MapPost("/{id:long}/start", StartAsync).WithSummary("Starts an ended one with its home. Again is fine.");
        write.MapPost("/{id:long}/restart", RestartAsync).WithSummary("Ends what runs and starts it anew.");
        write
            .MapPut("/{id:long}/password", PutPasswordAsync)
            .WithSummary("Another password of one's own for Jupyter. It reaches one that runs, whose kernels live on.");
        write
            .MapDelete("/{id:long}/password", DeletePasswordAsync)
            .WithSummary("No password any more: the console signs its user in.");
        write.MapPost("/{id:long}/clone", CloneAsync).WithSummary("Makes another of the same definition.");
    }

    private static async Task<Results<Ok<Page<EnvironmentRowResponse>>, ProblemHttpResult>> ListAsync(
        ClaimsPrincipal user,
        EnvironmentQueries environments,
        CancellationToken ct,
        WorkloadState[]? state = null,
        string? search = null,
        string? owner = null,
        string? host = null,
        string? cursor = null,
        int limit = Paging.DefaultLimit
    )
    {
        if (Paging.Refuse(limit) is { } refused)
        {
            return refused;
        }
        if (JobsApi.RefuseStates(state) is { } unknown)
        {
            return unknown;
        }
        var filter = new JobFilter
        {
            States = state ?? [],
            Search = search,
            Owner = owner,
            Host = host,
        };
        var outcome = await environments.ListAsync(user.Actor(), filter, cursor, limit, ct);
        return outcome switch
        {
            Outcome<Page<EnvironmentRow>>.Done { Value: var page } => TypedResults.Ok(
                new Page<EnvironmentRowResponse>([.. page.Items.Select(EnvironmentRowResponse.Of)], page.Next)
            ),
            Outcome<Page<EnvironmentRow>>.Refused bad => Problems.Invalid(bad.Errors),
            _ => Problems.Of(outcome, "list"),
        };
    }

    private static async Task<Results<Ok<EnvironmentResponse>, ProblemHttpResult>> FindAsync(
        long id,
        ClaimsPrincipal user,
        EnvironmentQueries environments,
        CancellationToken ct
    ) =>
        await environments.FindAsync(user.Actor(), id, ct) is { } found
            ? TypedResults.Ok(EnvironmentResponse.Of(found))
            : Problems.NotFound(What);

    private static async Task<IResult> DefinitionAsync(
        long id,
        ClaimsPrincipal user,
        EnvironmentQueries environments,
        CancellationToken ct
    ) =>
        await environments.FindAsync(user.Actor(), id, ct) is { } found
            ? TypedResults.Text(
                EnvironmentDefinition.Of(JsonNode.Parse(found.Job.SpecJson)!.AsObject()).ToJsonString(s_readable),
                "application/json"
            )
            : Problems.NotFound(What);

    private static async Task<IResult> CreateAsync(
        HttpContext context,
        SubmitJob submit,
        PreviewJob preview,
        CancellationToken ct,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey = null,
        bool dryRun = false
    )
    {
        if (JobsApi.RefuseBody(context, idempotencyKey) is { } refused)
        {
            return refused;
        }
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, ct);
        var reading = EnvironmentReader.Read(body.GetBuffer().AsSpan(0, (int)body.Length));
        if (reading.Spec is not { } spec)
        {
            return Problems.Invalid(reading.Errors);
        }
        var actor = context.User.Actor();
        if (dryRun)
        {
            var seen = await preview.RunAsync(actor, spec, ct);
            return TypedResults.Ok(seen with { Errors = EnvironmentChecks.Flatten(seen.Errors) });
        }
        // The password is no part of what the key stands for: a hash of it would stand in the database
        var idempotency = Idempotency.Of(idempotencyKey, SpecWriter.Write(spec));
        return Answer(await submit.RunAsync(actor, spec, idempotency, ct, reading.Password));
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        long id,
        ClaimsPrincipal user,
        DeleteEnvironment delete,
        CancellationToken ct,
        string home = "keep"
    )
    {
        if (home is not ("keep" or "delete"))
        {
            return Problems.Invalid([new SpecError("home", "\"keep\" or \"delete\" is allowed.")]);
        }
        var outcome = await delete.RunAsync(user.Actor(), id, home == "delete", ct);
        return Replies.Done(outcome, What);
    }

    private static async Task<Results<Accepted<EnvironmentResponse>, ProblemHttpResult>> StopAsync(
        long id,
        ClaimsPrincipal user,
        StopWorkload stop,
        EnvironmentQueries environments,
        CancellationToken ct
    ) =>
        await environments.FindAsync(user.Actor(), id, ct) is null
            ? Problems.NotFound(What)
            : await AnswerAsync(await stop.RunAsync(user.Actor(), id, ct), id, user, environments, ct);

    private static async Task<Results<Accepted<EnvironmentResponse>, ProblemHttpResult>> StartAsync(
        long id,
        ClaimsPrincipal user,
        StartEnvironment start,
        EnvironmentQueries environments,
        CancellationToken ct
    ) => await AnswerAsync(await start.RunAsync(user.Actor(), id, ct), id, user, environments, ct);

    private static async Task<Results<Accepted<EnvironmentResponse>, ProblemHttpResult>> RestartAsync(
        long id,
        ClaimsPrincipal user,
        RestartEnvironment restart,
        EnvironmentQueries environments,
        CancellationToken ct
    ) => await AnswerAsync(await restart.RunAsync(user.Actor(), id, ct), id, user, environments, ct);

    private static Task<Results<NoContent, ProblemHttpResult>> PutPasswordAsync(
        long id,
        JupyterPasswordBody body,
        ClaimsPrincipal user,
        JupyterPassword passwords,
        CancellationToken ct
    ) => ChangePasswordAsync(passwords, user, id, body.Password ?? "", ct);

    private static Task<Results<NoContent, ProblemHttpResult>> DeletePasswordAsync(
        long id,
        ClaimsPrincipal user,
        JupyterPassword passwords,
        CancellationToken ct
    ) => ChangePasswordAsync(passwords, user, id, null, ct);

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangePasswordAsync(
        JupyterPassword passwords,
        ClaimsPrincipal user,
        long id,
        string? password,
        CancellationToken ct
    ) =>
        await passwords.ChangeAsync(user.Actor(), id, password, ct) switch
        {
            Outcome<long>.Done => TypedResults.NoContent(),
            Outcome<long>.Refused bad => Problems.Invalid(bad.Errors),
            var other => Problems.Of(other, What),
        };

    private static async Task<Results<Created<SubmittedResponse>, Ok<SubmittedResponse>, ProblemHttpResult>> CloneAsync(
        long id,
        ClaimsPrincipal user,
        CloneEnvironment clone,
        CancellationToken ct,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey = null
    ) =>
        JobsApi.RefuseKey(idempotencyKey) is { } refused
            ? refused
            : Answer(await clone.RunAsync(user.Actor(), id, ct, Idempotency.Of(idempotencyKey, $"clone {id}")));

    private static async Task<Results<Accepted<EnvironmentResponse>, ProblemHttpResult>> AnswerAsync(
        Outcome<long> outcome,
        long id,
        ClaimsPrincipal user,
        EnvironmentQueries environments,
        CancellationToken ct
    )
    {
        if (outcome is not Outcome<long>.Done)
        {
            return Problems.Of(outcome, What);
        }
        return await environments.FindAsync(user.Actor(), id, ct) is { } found
            ? TypedResults.Accepted($"/api/v1/environments/{id}", EnvironmentResponse.Of(found))
            : Problems.NotFound(What);
    }

    private static Results<Created<SubmittedResponse>, Ok<SubmittedResponse>, ProblemHttpResult> Answer(
        Outcome<Submitted> outcome
    )
    {
        if (outcome is Outcome<Submitted>.Refused bad)
        {
            return Problems.Invalid(EnvironmentChecks.Flatten(bad.Errors), StatusCodes.Status422UnprocessableEntity);
        }
        if (outcome is not Outcome<Submitted>.Done { Value: var submitted })
        {
            return Problems.Of(outcome, What);
        }
        var answer = new SubmittedResponse(submitted.Id, $"/api/v1/environments/{submitted.Id}", submitted.Replayed);
        return submitted.Replayed ? TypedResults.Ok(answer) : TypedResults.Created(answer.Url, answer);
    }
}

/// <param name="Password">8-200 characters; never told again</param>
public sealed record JupyterPasswordBody(string? Password = null);

/// <summary>An environment as people write it. Read by <see cref="EnvironmentReader"/>; stands here for the API's document.</summary>
/// <param name="IdleAfter">`hh:mm:ss`, `d.hh:mm:ss` or `never`</param>
/// <param name="Home">id of a deleted environment whose kept home it takes; GET /homes lists them</param>
public sealed record EnvironmentBody(
    string Name,
    string Image,
    string? Cluster = null,
    string? Team = null,
    int Gpus = 0,
    string? GpuModel = null,
    string? GpuMemory = null,
    double Cpus = 1,
    string? Memory = null,
    string? Shm = null,
    IReadOnlyList<Core.Volumes.VolumeMount>? Volumes = null,
    IReadOnlyList<DatasetMount>? Datasets = null,
    IReadOnlyDictionary<string, string>? Env = null,
    EnvironmentBody.JupyterBody? Jupyter = null,
    bool Tensorboard = false,
    EnvironmentBody.SshBody? Ssh = null,
    IReadOnlyList<PortSpec>? Ports = null,
    string? IdleAfter = null,
    int? Home = null,
    int Priority = 50,
    bool Preemptible = false
)
{
    /// <param name="Password">8-200 characters; never told again</param>
    public sealed record JupyterBody(bool Enabled = true, string? Password = null);

    /// <param name="Keys">OpenSSH public keys, beside those of the profile</param>
    public sealed record SshBody(bool Enabled = true, IReadOnlyList<string>? Keys = null);
}
