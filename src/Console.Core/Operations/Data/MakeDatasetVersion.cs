using System.Collections.Immutable;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>
/// Adds a version to a dataset, and submits the job that looks what is in it: a job as any other, of the actor's, which mounts the volume read-only and
/// writes its list to its log. The loop reads it once it has ended.
/// </summary>
public sealed class MakeDatasetVersion(
    IDbContextFactory<ConsoleDb> databases,
    SubmitJob submit,
    StopWorkload stop,
    ConsoleOptions options,
    TimeProvider time
)
{
    public async Task<Outcome<MadeVersion>> RunAsync(
        Actor actor,
        string name,
        DatasetVersionInput wanted,
        CancellationToken ct
    )
    {
        JobSpec spec;
        await using (var db = await databases.CreateDbContextAsync(ct))
        {
            var dataset = await db
                .Datasets.AsNoTracking()
                .VisibleTo(db, actor)
                .SingleOrDefaultAsync(d => d.Name == name, ct);
            if (dataset is null)
            {
                return new Outcome<MadeVersion>.NotFound();
            }
            if (!DatasetQueries.MayChange(actor, dataset))
            {
                return new Outcome<MadeVersion>.Conflict(Others(dataset));
            }
            var errors = Check(wanted);
            if (errors.Count > 0)
            {
                return new Outcome<MadeVersion>.Refused(errors);
            }
            spec = Spec(name, wanted, wanted.Cluster ?? await ClusterAsync(db, wanted.Volume, ct));
        }
        // First the job: one without a version harms nobody, a version whose job never came would be made for ever
        var outcome = await submit.RunAsync(actor, spec, null, ct);
        if (outcome is not Outcome<Submitted>.Done { Value.Id: var job })
        {
            return outcome switch
            {
                Outcome<Submitted>.Refused refused => new Outcome<MadeVersion>.Refused([
                    .. refused.Errors.Select(Translate),
                ]),
                Outcome<Submitted>.Conflict conflict => new Outcome<MadeVersion>.Conflict(conflict.Message),
                _ => new Outcome<MadeVersion>.NotFound(),
            };
        }
        var added = await AddAsync(actor, name, wanted, job, ct);
        if (added is not Outcome<MadeVersion>.Done)
        {
            // It was deleted meanwhile
            await stop.RunAsync(actor, job, ct);
        }
        return added;
    }

    private Task<Outcome<MadeVersion>> AddAsync(
        Actor actor,
        string name,
        DatasetVersionInput wanted,
        long job,
        CancellationToken ct
    ) =>
        VerbTransaction.RunAsync<MadeVersion>(
            databases,
            async db =>
            {
                var (dataset, refused) = await DatasetVerbs.LockAsync(db, actor, name, ct);
                if (dataset is null)
                {
                    return refused is Outcome<string>.Conflict conflict
                        ? new Outcome<MadeVersion>.Conflict(conflict.Message)
                        : new Outcome<MadeVersion>.NotFound();
                }
                var versions = db.DatasetVersions.Where(v => v.DatasetId == dataset.Id);
                // The answer to an earlier commit may have been lost, and the commit not
                if (
                    await versions
                        .Where(v => v.WorkloadId == job)
                        .Select(v => (int?)v.Number)
                        .SingleOrDefaultAsync(ct) is
                    { } made
                )
                {
                    return new Outcome<MadeVersion>.Done(new MadeVersion(made, job));
                }
                var newest = await versions.MaxAsync(v => (int?)v.Number, ct) ?? 0;
                var number = Math.Max(newest, dataset.LastDeleted) + 1;
                var now = time.GetUtcNow();
                db.DatasetVersions.Add(
                    new DatasetVersion
                    {
                        DatasetId = dataset.Id,
                        Number = number,
                        Volume = wanted.Volume,
                        Folder = wanted.Folder ?? "",
                        Split = wanted.Split,
                        WorkloadId = job,
                        MadeBy = actor.UserName,
                        CreatedAt = now,
                    }
                );
                db.AddAudit(now, actor.UserName, "dataset.version", $"version {number} of dataset {name}");
                db.Tell(ChangeKind.Queue);
                return new Outcome<MadeVersion>.Done(new MadeVersion(number, job));
            },
            ct
        );

    private JobSpec Spec(string name, DatasetVersionInput wanted, string cluster) =>
        new()
        {
            Name = $"dataset-{name}"[..Math.Min(63, "dataset-".Length + name.Length)],
            Cluster = cluster,
            Team = wanted.Team,
            Image = options.ProbeImage,
            Script = DatasetScript.Text,
            // No event files: a volume for them would be made for nothing
            TensorBoard = false,
            Env = ImmutableSortedDictionary
                .Create<string, string>(StringComparer.Ordinal)
                .Add(DatasetScript.FolderVariable, wanted.Folder ?? ""),
            Volumes = [new VolumeMount(wanted.Volume, DatasetScript.Mount, ReadOnly: true)],
            Labels = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("dataset", name),
            Roles =
            [
                new RoleSpec
                {
                    Name = "worker",
                    Resources = new ResourcesSpec
                    {
                        Cpus = 1,
                        Memory = 256L << 20,
                        Shm = 1L << 20,
                    },
                },
            ],
        };

    /// <summary>That of a host which has the volume.</summary>
    private static async Task<string> ClusterAsync(ConsoleDb db, string volume, CancellationToken ct)
    {
        var hosts = await db.Volumes.Where(v => v.Name == volume).Select(v => v.Hosts).SingleOrDefaultAsync(ct) ?? [];
        var clusters = await db
            .Clusters.Where(c => hosts.Length == 0 || db.Hosts.Any(h => h.ClusterId == c.Id && hosts.Contains(h.Name)))
            .OrderBy(c => c.Name)
            .Select(c => c.Name)
            .ToListAsync(ct);
        const string plain = "local";
        return clusters.Contains(plain) || clusters.Count == 0 ? plain : clusters[0];
    }

    /// <summary>In the words of who asks for a version, not of the job.</summary>
    private static SpecError Translate(SpecError error) =>
        error.Path switch
        {
            "volumes[0].name" => error with { Path = "volume" },
            "volumes" => error with { Path = "volume" },
            "cluster" or "team" => error,
            _ => new SpecError("", $"The job that would make it cannot be submitted: {error.Message}"),
        };

    private static string Others(Dataset dataset) =>
        $"Dataset {dataset.Name} is {dataset.OwnerName}'s; its owner and admins change it. Make one of your own.";

    private static List<SpecError> Check(DatasetVersionInput wanted)
    {
        var errors = new List<SpecError>();
        if (wanted.Volume.Length == 0)
        {
            errors.Add(new SpecError("volume", "The name of a volume is needed, which the files lie on."));
        }
        if (DatasetFolders.WhyNot(wanted.Folder ?? "") is { } why)
        {
            errors.Add(new SpecError("folder", why));
        }
        if (wanted.Split is not { } split)
        {
            return errors;
        }
        foreach (
            var (part, percent) in (ReadOnlySpan<(string, int)>)
                [("train", split.Train), ("validation", split.Validation), ("test", split.Test)]
        )
        {
            if (percent is < 0 or > 100)
            {
                errors.Add(new SpecError($"split.{part}", $"This is {percent}; 0 to 100 percent is allowed."));
            }
        }
        if ((long)split.Train + split.Validation + split.Test is not 100 and var sum)
        {
            errors.Add(new SpecError("split", $"The parts are {sum} percent together; 100 is allowed."));
        }
        return errors;
    }
}
