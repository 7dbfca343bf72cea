using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <param name="Errors">every error at once</param>
/// <param name="Team">whose share it would use; null only with an error</param>
/// <param name="Pins">what it would run, by the name that the spec has for each image; of one that is not there its first replica finds out</param>
/// <param name="Spec">with what its datasets lie on</param>
internal sealed record CheckedSpec(
    IReadOnlyList<SpecError> Errors,
    Team? Team,
    IReadOnlyDictionary<string, string> Pins,
    JobSpec Spec
);

/// <summary>What only the database can say of a spec.</summary>
internal static class SpecChecks
{
    /// <param name="pinned">the very images that it is to run, by name; null = what the spec's mean</param>
    public static async Task<CheckedSpec> RunAsync(
        ConsoleDb db,
        Actor actor,
        JobSpec spec,
        Cluster? cluster,
        CancellationToken ct,
        IReadOnlyDictionary<string, string>? pinned = null
    )
    {
        var errors = new List<SpecError>();
        if (cluster is null)
        {
            var names = await db.Clusters.OrderBy(c => c.Name).Select(c => c.Name).Take(20).ToListAsync(ct);
            errors.Add(
                new SpecError(
                    "cluster",
                    $"There is no cluster \"{spec.Cluster}\"; there is {string.Join(", ", names)}."
                )
            );
        }
        if (cluster is not null && spec.HostNetwork && !await IsTrustedAsync(db, cluster, ct))
        {
            errors.Add(
                new SpecError(
                    "network",
                    $"Cluster {cluster.Name} is not marked as trusted, so that its jobs have no part of their hosts' networks; \"own\" is allowed."
                )
            );
        }
        var team = await TeamReader.OfAsync(db, actor, spec.Team, ct);
        if (team is null)
        {
            var teams = await TeamReader.NamesAsync(db, actor, ct);
            errors.Add(
                new SpecError(
                    "team",
                    $"There is no team \"{spec.Team}\" that you may submit for; there is {string.Join(", ", teams)}."
                )
            );
        }
        if (spec.Code is { } digest && !await db.CodeArchives.AnyAsync(c => c.Digest == digest, ct))
        {
            errors.Add(
                new SpecError("code", $"No code with the digest {digest} was uploaded; POST it to /api/v1/code first.")
            );
        }
        var pins = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (field, name) in spec.NamedImages())
        {
            var (image, known) = (await ImageChecks.FindAsync(db, actor, name, ct), pinned?.GetValueOrDefault(name));
            if (await ImageChecks.WhyNotAsync(db, image, name, known, ct) is { } unusable)
            {
                errors.Add(unusable with { Path = field });
            }
            if ((known ?? ImageChecks.PinnedBy(image)) is { } pin)
            {
                pins[name] = pin;
            }
            // Its one role has the job's
            if (spec.Environment is { } environment)
            {
                errors.AddRange(await EnvironmentChecks.RunAsync(db, actor, name, image, environment, cluster?.Id, ct));
            }
        }
        (spec, var unknown) = await DatasetReader.ResolveAsync(db, actor, spec, ct);
        errors.AddRange(unknown);
        errors.AddRange(await VolumeReader.CheckAsync(db, actor, spec, ct));
        if (
            cluster is not null
            && !errors.Exists(e =>
                e.Path is "image" or "checkpoint.volume"
                || e.Path.EndsWith(".image", StringComparison.Ordinal)
                || e.Path.StartsWith("volumes", StringComparison.Ordinal)
                || e.Path.StartsWith("datasets", StringComparison.Ordinal)
            )
        )
        {
            var fleet = await FleetReader.ReadCapacityAsync(db, cluster, ct);
            var request = await QueueReader.RequestAsync(db, 0, spec, cluster.Id, "", actor.UserId, default, pins, ct);
            errors.AddRange(
                request.ImageHosts is { } having && !fleet.Hosts.Any(h => having.Contains(h.Name))
                    ?
                    [
                        new SpecError(
                            "image",
                            having.IsEmpty
                                ? "No host has it any more; choose another."
                                : $"{(request.OtherImages.IsEmpty ? "It is" : "Its images are together")} only on {string.Join(", ", having)}, which is not of cluster {cluster.Name}; have it copied to a host there first."
                        ),
                    ]
                    : Fit.CheckEver(fleet, request)
            );
        }
        return new CheckedSpec(errors, team, pins, spec);
    }

    /// <summary>It stays so until the transaction ends: whoever ends the trust sees the job.</summary>
    private static Task<bool> IsTrustedAsync(ConsoleDb db, Cluster cluster, CancellationToken ct) =>
        db
            .Clusters.FromSql($"select * from clusters where id = {cluster.Id} for share")
            .Select(c => c.Trusted)
            .SingleAsync(ct);
}
