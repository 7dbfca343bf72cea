using System.Globalization;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <summary>
/// Starts the TensorBoard of one job, or of several side by side: an environment of the actor's that sees their event files and
/// can write to none of them, on the host where they lie. The one there is already is started again, or left as it is.
/// </summary>
public sealed class OpenTensorBoard(
    IDbContextFactory<ConsoleDb> databases,
    SubmitJob submit,
    StartEnvironment start,
    ConsoleOptions options,
    TimeProvider time
)
{
    /// <summary>Without a request through the gateway; then it is stopped, or before where the installation says so.</summary>
    private static readonly TimeSpan s_idleAfter = TimeSpan.FromMinutes(30);
    public const int MostJobs = 20;

    // Its parser of event files takes what memory it can get for images and histograms
    private static readonly ResourcesSpec s_resources = new()
    {
        Cpus = 1,
        Memory = 2L << 30,
        Shm = 64 << 20,
    };

    private const string OwnCurves = "The console draws the curves of event files by itself.";

    /// <param name="jobs">their ids; one that the actor may not see is as one that is not there</param>
    /// <param name="image">a reference or a name of the catalogue; null = one that has TensorBoard</param>
    public async Task<Outcome<Submitted>> RunAsync(
        Actor actor,
        IReadOnlyList<long> jobs,
        string? image,
        CancellationToken ct
    )
    {
        long[] ids = [.. jobs.Distinct().Order()];
        if (ids.Length is 0 or > MostJobs)
        {
            return new Outcome<Submitted>.Refused([
                new SpecError("jobs", $"These are {ids.Length} jobs; 1 to {MostJobs} are shown side by side."),
            ]);
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await db
            .Workloads.AsNoTracking()
            .VisibleTo(actor)
            .Where(w => ids.Contains(w.Id) && w.Kind == WorkloadKind.Job)
            .OrderBy(w => w.Id)
            .ToListAsync(ct);
        if (found.Count < ids.Length)
        {
            return new Outcome<Submitted>.NotFound();
        }
        var (host, specs, why) = await HostAsync(db, found, ct);
        if (host is null)
        {
            return new Outcome<Submitted>.Conflict($"{why} {OwnCurves}");
        }
        image ??= await ImageAsync(db, actor, host, specs, ct);
        if (image is null)
        {
            return new Outcome<Submitted>.Conflict(
                $"No image of the catalogue that {host.Name} has or can get says that it has TensorBoard. {OwnCurves}"
            );
        }
        var cluster = await db.Clusters.Where(c => c.Id == host.ClusterId).Select(c => c.Name).SingleAsync(ct);
        var spec = Make(ids, cluster, host.Name, image);
        if (await FindAsync(db, actor, spec, ct) is { } made)
        {
            return await start.RunAsync(actor, made, ct) switch
            {
                Outcome<long>.Done => new Outcome<Submitted>.Done(new Submitted(made, true)),
                Outcome<long>.Conflict conflict => new Outcome<Submitted>.Conflict(conflict.Message),
                _ => new Outcome<Submitted>.NotFound(),
            };
        }
        return await submit.RunAsync(actor, spec, null, ct);
    }

    /// <summary>A host that has the event files of all of them.</summary>
    private async Task<(Clusters.Host? Host, IReadOnlyList<JobSpec> Specs, string? Why)> HostAsync(
        ConsoleDb db,
        IReadOnlyList<Workload> jobs,
        CancellationToken ct
    )
    {
        var now = time.GetUtcNow();
        var specs = new List<JobSpec>();
        var places = new List<(long Job, IReadOnlyList<Guid> Hosts)>();
        foreach (var job in jobs)
        {
            if (StoredSpec.TryRead(job.SpecJson, out var trouble) is not { } spec)
            {
                return (null, [], $"Job {job.Id} cannot be looked at: {trouble}");
            }
            var (hosts, why) = await EventFileHosts.OfAsync(db, job, spec, now, ct);
            if (why is not null)
            {
                return (null, [], why);
            }
            specs.Add(spec);
            places.Add((job.Id, hosts));
        }
        var all = places.SelectMany(p => p.Hosts).Distinct().ToArray();
        var known = await db.Hosts.AsNoTracking().Where(h => all.Contains(h.Id)).ToDictionaryAsync(h => h.Id, ct);
        if (all is [var only])
        {
            return known.TryGetValue(only, out var host)
                ? (host, specs, null)
                : (null, [], "The host that has their event files was taken out of the lab.");
        }
        // Each volume is on its own host alone: one TensorBoard cannot see two of them
        var told = places.Select(p =>
            $"those of job {p.Job} on {string.Join(" and ", p.Hosts.Select(h => known.TryGetValue(h, out var k) ? k.Name : "a host that was taken out").Order(StringComparer.Ordinal))}"
        );
        return (
            null,
            [],
            $"One TensorBoard sees the event files of one host, and these lie on {all.Length}: {string.Join(", ", told)}."
        );
    }

    /// <summary>Rather that of one of the jobs, then one that the host has; null = none has TensorBoard.</summary>
    private static async Task<string?> ImageAsync(
        ConsoleDb db,
        Actor actor,
        Clusters.Host host,
        IReadOnlyList<JobSpec> specs,
        CancellationToken ct
    )
    {
        var images = await db
            .Images.AsNoTracking()
            .VisibleTo(actor)
            .Where(i => i.Features.Contains(Endpoint.TensorBoard))
            .OrderBy(i => i.Name)
            .ToListAsync(ct);
        return images
            .Select(i => (Image: i, IsThere: host.Images.Contains(ImageQueries.Familiar(i.Reference))))
            .Where(x => x.IsThere || !MadeImages.IsMade(x.Image.Reference))
            .OrderByDescending(x => specs.Any(s => s.Image == x.Image.Name || s.Image == x.Image.Reference))
            .ThenByDescending(x => x.IsThere)
            .Select(x => x.Image.Name)
            .FirstOrDefault();
    }

    private JobSpec Make(long[] jobs, string cluster, string host, string image) =>
        new()
        {
            Name = NameOf(jobs),
            Cluster = cluster,
            Image = image,
            Roles = [new RoleSpec { Name = EnvironmentSpec.Role, Resources = s_resources }],
            Placement = new PlacementSpec { OnlyHosts = [host] },
            Environment = new EnvironmentSpec
            {
                Jupyter = false,
                TensorBoard = true,
                Jobs = [.. jobs],
                IdleAfter =
                    options.IdleAfter > TimeSpan.Zero && options.IdleAfter < s_idleAfter
                        ? options.IdleAfter
                        : s_idleAfter,
            },
        };

    private static string NameOf(long[] jobs) =>
        jobs.Length <= 4
            ? string.Create(CultureInfo.InvariantCulture, $"tensorboard-{string.Join('-', jobs)}")
            : string.Create(CultureInfo.InvariantCulture, $"tensorboard-{jobs[0]}-and-{jobs.Length - 1}-more");

    private static async Task<long?> FindAsync(ConsoleDb db, Actor actor, JobSpec spec, CancellationToken ct)
    {
        var hash = SubmitJob.HashOf(SpecWriter.Write(spec));
        return await db
            .Workloads.VisibleTo(actor)
            .Where(w => w.OwnerId == actor.UserId && w.Kind == WorkloadKind.Environment && w.SpecHash == hash)
            .OrderByDescending(w => w.Id)
            .Select(w => (long?)w.Id)
            .FirstOrDefaultAsync(ct);
    }

    /// <summary>What stands against a TensorBoard of these jobs; null where the actor may see them all.</summary>
    internal static async Task<string?> WhyNotAsync(
        ConsoleDb db,
        Actor actor,
        EnvironmentSpec board,
        CancellationToken ct
    )
    {
        long[] jobs = [.. board.Jobs];
        var seen = await db
            .Workloads.VisibleTo(actor)
            .Where(w => jobs.Contains(w.Id) && w.Kind == WorkloadKind.Job)
            .Select(w => w.Id)
            .ToListAsync(ct);
        var missing = jobs.Except(seen).ToArray();
        return missing.Length == 0
            ? null
            : $"There is no job {string.Join(", ", missing)}: it was deleted, or it belongs to someone else.";
    }
}
