using System.Security.Claims;
using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Workloads;

/// <param name="Steps">that are kept, in order</param>
/// <param name="Bytes">of all of them</param>
public sealed record MediaResponse(MediaKind Kind, string Tag, string Source, IReadOnlyList<long> Steps, long Bytes);

/// <param name="Counts">of values in buckets of equal width from least to greatest</param>
public sealed record HistogramResponse(
    long Step,
    DateTimeOffset At,
    double Min,
    double Max,
    double Count,
    IReadOnlyList<float> Counts
);

/// <summary>Which of them.</summary>
/// <param name="Step">the newest where absent; of histograms all</param>
public sealed record MediaQuery(
    [FromQuery(Name = "tag")] string? Tag = null,
    [FromQuery(Name = "source")] string? Source = null,
    [FromQuery(Name = "step")] long? Step = null
);

/// <summary>Histograms, images, texts and hyper-parameters that a job's program wrote.</summary>
public static class JobMediaApi
{
    internal static void MapJobMedia(this RouteGroupBuilder api)
    {
        api.MapGet("/jobs/{id:long}/media", ListAsync)
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsRead)
            .Produces<Page<MediaResponse>>()
            .WithSummary("What the job's program wrote beside curves: histograms, images, texts, hyper-parameters.");
        api.MapGet("/jobs/{id:long}/media/{kind}", ReadAsync)
            .WithTags("jobs")
            .RequireAuthorization(Scopes.JobsRead)
            .WithSummary("One of them: an image or a text as it is, parameters as JSON, histograms as a list.");
    }

    private static async Task<IResult> ListAsync(
        long id,
        ClaimsPrincipal user,
        JobQueries jobs,
        IMediaStore media,
        CancellationToken ct
    )
    {
        if (!await jobs.MaySeeAsync(user.Actor(), id, ct))
        {
            return Problems.NotFound("job");
        }
        var found = await media.ListAsync(id, ct);
        return TypedResults.Ok(
            Paging.All<MediaResponse>([
                .. found.Select(m => new MediaResponse(m.Kind, m.Tag, m.Source, m.Steps, m.Bytes)),
            ])
        );
    }

    private static async Task<IResult> ReadAsync(
        long id,
        string kind,
        [AsParameters] MediaQuery query,
        ClaimsPrincipal user,
        JobQueries jobs,
        IMediaStore media,
        CancellationToken ct
    )
    {
        var errors = new List<SpecError>();
        if (
            !Enum.TryParse<MediaKind>(kind, ignoreCase: true, out var of)
            || !Enum.IsDefined(of)
            || char.IsDigit(kind[0])
        )
        {
            errors.Add(new SpecError("kind", "\"histogram\", \"image\", \"text\" or \"parameters\" is allowed."));
        }
        foreach (var (field, value) in new[] { ("tag", query.Tag), ("source", query.Source) })
        {
            if (string.IsNullOrEmpty(value) || value.Contains('\0', StringComparison.Ordinal))
            {
                errors.Add(new SpecError(field, $"The {field} is missing; write it as the list shows it."));
            }
        }
        if (errors.Count > 0)
        {
            return Problems.Invalid(errors);
        }
        if (!await jobs.MaySeeAsync(user.Actor(), id, ct))
        {
            return Problems.NotFound("job");
        }
        var step = query.Step;
        if (step is null && of != MediaKind.Histogram)
        {
            var steps = (await media.ListAsync(id, ct)).FirstOrDefault(m =>
                m.Kind == of && m.Tag == query.Tag && m.Source == query.Source
            );
            step = steps?.Steps[^1] ?? 0;
        }
        var items = await media.ReadAsync(id, of, query.Tag!, query.Source!, step, ct);
        if (items.Count == 0)
        {
            return Problems.NotFound(of == MediaKind.Parameters ? "parameters" : of.ToString().ToLowerInvariant());
        }
        return of switch
        {
            MediaKind.Image => TypedResults.Bytes(
                items[0].Data,
                RunMedia.ImageType(items[0].Data) ?? "application/octet-stream"
            ),
            MediaKind.Text => TypedResults.Bytes(items[0].Data, "text/plain; charset=utf-8"),
            MediaKind.Parameters => TypedResults.Bytes(items[0].Data, "application/json"),
            _ => TypedResults.Ok(Paging.All<HistogramResponse>([.. items.Select(Histogram)])),
        };
    }

    private static HistogramResponse Histogram(MediaItem item)
    {
        var (min, max, count, counts) = EventHistogram.Unpack(item.Data);
        return new HistogramResponse(
            item.Step,
            DateTimeOffset.FromUnixTimeMilliseconds(item.UnixMillis),
            min,
            max,
            count,
            counts
        );
    }
}
