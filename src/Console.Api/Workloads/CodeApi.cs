using System.Buffers;
using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <param name="Digest">goes into `code` of a job</param>
/// <param name="Bytes">compressed</param>
public sealed record CodeResponse(string Digest, long Bytes, long UnpackedBytes, int Entries);

/// <summary>Takes code as a tar.gz and answers its digest.</summary>
public static class CodeApi
{
    public const long MaxUpload = 100L << 20;
    private static readonly SearchValues<char> s_hex = SearchValues.Create("0123456789abcdef");

    internal static void MapCode(this RouteGroupBuilder api)
    {
        var code = api.MapGroup("/code").WithTags("code").RequireAuthorization(Scopes.JobsWrite);
        code.MapPost("", UploadAsync)
            .WithMetadata(new RequestSizeLimitAttribute(MaxUpload))
            .RequireRateLimiting(ApiLimits.Uploads)
            .Accepts<Stream>("application/gzip", "application/x-gzip", "application/octet-stream")
            .Produces<CodeResponse>(StatusCodes.Status201Created)
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status415UnsupportedMediaType)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Uploads a tar.gz of at most 100 MiB; the same bytes again are the same digest.");
        code.MapGet("/{digest}", Find).WithSummary("Is this code still here?");
    }

    private static async Task<IResult> UploadAsync(HttpContext context, UploadCode upload, CancellationToken ct)
    {
        var type = context.Request.ContentType?.Split(';')[0].Trim().ToLowerInvariant();
        if (type is not ("application/gzip" or "application/x-gzip" or "application/octet-stream"))
        {
            return Problems.Of(
                StatusCodes.Status415UnsupportedMediaType,
                "The body must be a tar.gz: send Content-Type: application/gzip."
            );
        }
        if (context.Request.ContentLength > MaxUpload)
        {
            return TooLarge();
        }
        var outcome = await upload.RunAsync(context.User.Actor(), context.Request.Body, ct);
        return outcome is Outcome<CodeArchive>.Done { Value: var kept }
            ? TypedResults.Created(
                $"/api/v1/code/{kept.Digest}",
                new CodeResponse(kept.Digest, kept.Bytes, kept.UnpackedBytes, kept.Entries)
            )
            : Problems.Of(outcome, "archive");
    }

    private static ProblemHttpResult TooLarge() =>
        Problems.Of(StatusCodes.Status413PayloadTooLarge, $"The archive is over {MaxUpload >> 20} MiB.");

    private static Results<NoContent, ProblemHttpResult> Find(string digest, CodeFolder folder) =>
        digest.Length == 71
        && digest.StartsWith("sha256:", StringComparison.Ordinal)
        && digest.AsSpan(7).IndexOfAnyExcept(s_hex) < 0
        && File.Exists(folder.PathOf(digest))
            ? TypedResults.NoContent()
            : Problems.NotFound("code");
}
