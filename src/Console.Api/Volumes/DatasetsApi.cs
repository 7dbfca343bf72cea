using System.Text;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Volumes;

/// <summary>Named, versioned data on volumes.</summary>
public static class DatasetsApi
{
    internal static void MapDatasets(this RouteGroupBuilder api)
    {
        var read = api.MapGroup("/datasets").WithTags("datasets").RequireAuthorization(Scopes.JobsRead);
        read.MapGet("", ListAsync).WithSummary("Datasets that you may see, by name.");
        read.MapGet("/{name}", FindAsync).WithSummary("One dataset, with its versions, the newest first.");
        read.MapGet("/{name}/versions", VersionsAsync).WithSummary("Its versions, the newest first.");
        read.MapGet("/{name}/versions/{number:int}", VersionAsync).WithSummary("One version.");
        read.MapGet("/{name}/versions/{number:int}/manifest", ManifestAsync)
            .Produces<string>(StatusCodes.Status200OK, "text/plain")
            .WithSummary("Its files, a line each: sha256, size, path.");
        var write = api.MapGroup("/datasets").WithTags("datasets").RequireAuthorization(Scopes.JobsWrite);
        write.MapPost("", CreateAsync).WithSummary("Names a dataset, which is yours.");
        write.MapDelete("/{name}", DeleteAsync).WithSummary("Forgets a dataset that nothing mounts; its files stay.");
        write
            .MapDelete("/{name}/versions/{number:int}", DeleteVersionAsync)
            .WithSummary("Forgets a version that nothing mounts; its files stay, and its number does not come again.");
        write
            .MapPost("/{name}/versions", MakeAsync)
            .WithSummary("Adds a version, and submits the job that looks what is in it.");
    }

    private static async Task<Ok<Page<DatasetView>>> ListAsync(
        HttpContext context,
        DatasetQueries datasets,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await datasets.ListAsync(context.User.Actor(), ct)));

    private static async Task<Results<Ok<DatasetDetail>, ProblemHttpResult>> FindAsync(
        string name,
        HttpContext context,
        DatasetQueries datasets,
        CancellationToken ct
    ) =>
        await datasets.FindAsync(context.User.Actor(), name, ct) is { } found
            ? TypedResults.Ok(found)
            : Problems.NotFound("dataset");

    private static async Task<Results<Ok<Page<DatasetVersionView>>, ProblemHttpResult>> VersionsAsync(
        string name,
        HttpContext context,
        DatasetQueries datasets,
        CancellationToken ct
    ) =>
        await datasets.FindAsync(context.User.Actor(), name, ct) is { } found
            ? TypedResults.Ok(Paging.All(found.Versions))
            : Problems.NotFound("dataset");

    private static async Task<Results<Ok<DatasetVersionView>, ProblemHttpResult>> VersionAsync(
        string name,
        int number,
        HttpContext context,
        DatasetQueries datasets,
        CancellationToken ct
    ) =>
        (await datasets.FindAsync(context.User.Actor(), name, ct))?.Versions.FirstOrDefault(v => v.Number == number)
            is { } version
            ? TypedResults.Ok(version)
            : Problems.NotFound("version of a dataset");

    private static async Task<Results<PushStreamHttpResult, ProblemHttpResult>> ManifestAsync(
        string name,
        int number,
        HttpContext context,
        DatasetQueries datasets,
        CancellationToken ct
    ) =>
        await datasets.ManifestAsync(context.User.Actor(), name, number, ct) is { } files
            ? TypedResults.Stream(body => WriteAsync(body, files, ct), "text/plain; charset=utf-8")
            : Problems.NotFound("version of a dataset that is ready");

    /// <summary>The very bytes that the digest is of.</summary>
    private static async Task WriteAsync(Stream body, IEnumerable<DatasetFile> files, CancellationToken ct)
    {
        await using var text = new StreamWriter(body, new UTF8Encoding(false), leaveOpen: true);
        foreach (var file in files)
        {
            await text.WriteAsync($"{file}\n".AsMemory(), ct);
        }
    }

    private static async Task<Results<Created, ProblemHttpResult>> CreateAsync(
        DatasetInput request,
        HttpContext context,
        DatasetVerbs datasets,
        CancellationToken ct
    ) => Replies.Made(await datasets.CreateAsync(context.User.Actor(), request, ct), "/api/v1/datasets", "dataset");

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        string name,
        HttpContext context,
        DatasetVerbs datasets,
        CancellationToken ct
    ) => Replies.Done(await datasets.DeleteAsync(context.User.Actor(), name, ct), "dataset");

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteVersionAsync(
        string name,
        int number,
        HttpContext context,
        DatasetVerbs datasets,
        CancellationToken ct
    ) =>
        Replies.Done(await datasets.DeleteVersionAsync(context.User.Actor(), name, number, ct), "version of a dataset");

    private static async Task<Results<Created<MadeVersion>, ProblemHttpResult>> MakeAsync(
        string name,
        DatasetVersionInput request,
        HttpContext context,
        MakeDatasetVersion make,
        CancellationToken ct
    )
    {
        var outcome = await make.RunAsync(context.User.Actor(), name, request, ct);
        return outcome is Outcome<MadeVersion>.Done { Value: var made }
            ? TypedResults.Created($"/api/v1/datasets/{name}/versions/{made.Number}", made)
            : Problems.Of(outcome, "dataset");
    }
}
