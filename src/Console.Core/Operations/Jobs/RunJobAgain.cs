using DeepLab.Core.Operations.Data;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>
/// Submits a job's spec again as a new job that runs the very images that were run then, wherever their names have moved since. What
/// of it can no longer be had is refused, each thing by its field.
/// </summary>
public sealed class RunJobAgain(SubmitJob submit)
{
    public Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        long id,
        CancellationToken ct,
        Idempotency? idempotency = null
    ) => submit.RunAsync(actor, db => FindAsync(db, actor, id, ct), idempotency, ct);

    private static async Task<Submission> FindAsync(ConsoleDb db, Actor actor, long id, CancellationToken ct)
    {
        var job = await db
            .Workloads.AsNoTracking()
            .VisibleTo(actor)
            .SingleOrDefaultAsync(w => w.Id == id && w.Kind == WorkloadKind.Job, ct);
        if (job is null)
        {
            return Submission.Instead(new Outcome<Submitted>.NotFound());
        }
        if (StoredSpec.TryRead(job.SpecJson, out var trouble) is not { } spec)
        {
            return Submission.Instead(new Outcome<Submitted>.Conflict($"Job {id} cannot be run again: {trouble}"));
        }
        var ids = await db
            .Attempts.Where(a => a.WorkloadId == id && a.ImageId != null)
            .Select(a => new { a.ReplicaName, Id = a.ImageId! })
            .Distinct()
            .ToListAsync(ct);
        var byName = ids.ToLookup(a => spec.ImageOf(spec.RoleOf(a.ReplicaName)), a => a.Id, StringComparer.Ordinal);
        var pins = new Dictionary<string, string>(StringComparer.Ordinal);
        var unknown = new List<SpecError>();
        foreach (var (field, name) in spec.NamedImages())
        {
            var (image, why) = RanImage.Of(name, job.PinOf(spec, name), [.. byName[name].Distinct()]);
            if (image is not null)
            {
                pins[name] = image;
            }
            else
            {
                unknown.Add(why! with { Path = field });
            }
        }
        // SubmitJob looks at the rest once more; here all that is missing is told at once
        var cluster = await db.Clusters.AsNoTracking().SingleOrDefaultAsync(c => c.Name == spec.Cluster, ct);
        var others = await SpecChecks.RunAsync(db, actor, spec, cluster, ct, pins);
        SpecError[] redefined =
        [
            .. await RedefinedAsync(
                "volume",
                "removed",
                [.. spec.NamedMounts().Select(m => (m.Field, m.Mount.Name))],
                names =>
                    db.Volumes.Where(v => names.Contains(v.Name) && v.CreatedAt > job.SubmittedAt).Select(v => v.Name),
                ct
            ),
            .. await RedefinedAsync(
                "dataset",
                "deleted",
                [.. spec.Datasets.Select((d, i) => ($"datasets[{i}].name", d.Name))],
                names =>
                    db.Datasets.Where(d => names.Contains(d.Name) && d.CreatedAt > job.SubmittedAt).Select(d => d.Name),
                ct
            ),
        ];
        SpecError[] errors = [.. unknown, .. others.Errors, .. redefined];
        return errors.Length > 0
            ? Submission.Instead(new Outcome<Submitted>.Refused(errors))
            : new Submission(spec, new Origin(id, pins));
    }

    /// <summary>Things whose names mean others now than when the job came.</summary>
    /// <param name="end">what must have become of the one of then</param>
    /// <param name="later">of these names, those of things that came after the job</param>
    private static async Task<IEnumerable<SpecError>> RedefinedAsync(
        string what,
        string end,
        (string Field, string Name)[] asked,
        Func<string[], IQueryable<string>> later,
        CancellationToken ct
    )
    {
        if (asked.Length == 0)
        {
            return [];
        }
        var others = await later([.. asked.Select(a => a.Name)]).ToHashSetAsync(ct);
        return asked
            .Where(a => others.Contains(a.Name))
            .Select(a => new SpecError(
                a.Field,
                $"The {what} \"{a.Name}\" of then was {end}; the one of that name is another. Clone the job to use it."
            ));
    }
}

/// <summary>Which image a job ran, so that another can be told to run the same.</summary>
internal static class RanImage
{
    /// <param name="asked">the spec's image</param>
    /// <param name="pinned">the workload's pinned image</param>
    /// <param name="ids">of the images that its containers were made from</param>
    /// <returns>a reference that means one image for ever; or why there is none</returns>
    public static (string? Image, SpecError? Unknown) Of(string asked, string? pinned, IReadOnlyList<string> ids)
    {
        if (new[] { pinned, asked }.FirstOrDefault(IsForEver) is { } known)
        {
            return (known, null);
        }
        return ids switch
        {
            [var one] => (one, null),
            [] => (
                null,
                new SpecError(
                    "image",
                    "What its image was is not known: it never ran, or an older console ran it. Clone it."
                )
            ),
            _ => (
                null,
                new SpecError(
                    "image",
                    $"It ran {ids.Count} images of one name, since its hosts had different ones; none of them is the one. Clone it."
                )
            ),
        };
    }

    private static bool IsForEver(string? image) =>
        image is not null && (image.Contains('@', StringComparison.Ordinal) || MadeImages.HasNoRegistry(image));
}
