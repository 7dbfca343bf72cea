using System.Threading.Channels;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>What the drivers of jobs with checkpoints share.</summary>
public sealed class CheckpointTools(
    AttemptWrites writes,
    JobMounts mounts,
    IDbContextFactory<ConsoleDb> databases,
    SeriesReader series,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<CheckpointTools> logger
)
{
    public AttemptWrites Writes { get; } = writes;
    public JobMounts Mounts { get; } = mounts;
    public IDbContextFactory<ConsoleDb> Databases { get; } = databases;
    public string Image => options.ProbeImage;
    public TimeProvider Time { get; } = time;
    public ILogger Logger { get; } = logger;

    /// <summary>The host that a job's checkpoints lie on; null where the volume is one that several hosts have.</summary>
    /// <param name="hostId">where its container runs</param>
    public async Task<Guid?> PlaceAsync(JobSpec spec, Guid hostId, CancellationToken ct)
    {
        if (spec.Checkpoint?.Volume is not { } volume)
        {
            return hostId;
        }
        await using var db = await Databases.CreateDbContextAsync(ct);
        return (await VolumeReader.ReadAsync(db, ct)).GetValueOrDefault(volume) is { Path: not null } ? null : hostId;
    }

    /// <summary>One of a job's replicas on a host looks for all of them: the first that runs.</summary>
    public async Task<bool> IsLookerAsync(Attempt attempt, CancellationToken ct)
    {
        await using var db = await Databases.CreateDbContextAsync(ct);
        return !await db.Attempts.AnyAsync(
            a =>
                a.WorkloadId == attempt.WorkloadId
                && a.HostId == attempt.HostId
                && a.Id < attempt.Id
                && a.State == AttemptState.Running,
            ct
        );
    }

    /// <summary>Of the metric that names the best: all of its lines together, by step and then by time.</summary>
    /// <param name="task">of an array; empty = the whole job</param>
    private async Task<IReadOnlyList<(long Step, double Value)>> CurveAsync(
        long workloadId,
        JobSpec spec,
        string task,
        CancellationToken ct
    )
    {
        var points = new List<ChartPoint>();
        var all = await series.ListAsync(
            SeriesOwner.Job,
            workloadId.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ct
        );
        foreach (
            var line in all.Where(s =>
                    s.Key.Name == spec.Checkpoint!.BestBy
                    && (task.Length == 0 || s.Key.Source.StartsWith($"{task}/", StringComparison.Ordinal))
                )
                .OrderBy(s => s.Last?.UnixMillis)
                .TakeLast(MostLines)
        )
        {
            points.AddRange((await series.ChartAsync(line, 0, long.MaxValue, MostPoints, byStep: true, ct)).Points);
        }
        return [.. points.OrderBy(p => p.Step).ThenBy(p => p.UnixMillis).Select(p => (p.Step, p.Mean))];
    }

    /// <summary>Lines of one metric that are read, the newest, and points of each: of more, the means of neighbours.</summary>
    private const int MostLines = 16;
    private const int MostPoints = 5000;

    /// <summary>What the lab does not keep any more of what lies there: what users want away, and more than the spec's `keep`.</summary>
    public async Task<IReadOnlyList<(string Path, CheckpointLayout Layout)>> UnwantedAsync(
        long workloadId,
        Guid? place,
        JobSpec spec,
        CancellationToken ct
    )
    {
        await using var db = await Databases.CreateDbContextAsync(ct);
        var rows = await db
            .Checkpoints.AsNoTracking()
            .Where(c => c.WorkloadId == workloadId && c.HostId == place && c.DeletedAt == null)
            .ToListAsync(ct);
        rows.Sort((x, y) => CheckpointLayouts.Compare((y.Step, y.WrittenAt, y.Path), (x.Step, x.WrittenAt, x.Path)));
        var beyond = new List<Checkpoint>();
        if (spec.Checkpoint?.Keep is { } most)
        {
            // Each task of an array keeps its own
            var complete = rows.Where(c => c.Complete)
                .GroupBy(c => spec.Topology == Topology.Array ? c.Path.Split('/')[0] : "");
            foreach (var task in complete.Select(g => (Name: g.Key, Checkpoints: g.ToList())))
            {
                if (task.Checkpoints.Count(c => !c.Pinned) > most)
                {
                    var curve = spec.Checkpoint.BestBy is null
                        ? null
                        : await CurveAsync(workloadId, spec, task.Name, ct);
                    var by = BestWay.Of(spec.Checkpoint.Best, spec.Checkpoint.BestBy ?? "");
                    beyond.AddRange(CheckpointKeeping.Beyond(task.Checkpoints, most, curve, by));
                }
            }
        }
        return [.. rows.Where(c => c.DeleteRequestedAt is not null).Union(beyond).Select(c => (c.Path, c.Layout))];
    }
}

/// <summary>
/// Looks into the checkpoint folder of one attempt while its container runs, and takes away what is not kept. Ends with the
/// container, or with the term.
/// </summary>
internal sealed partial class CheckpointWatch(
    IContainerEngine engine,
    AttemptRead read,
    string containerId,
    CheckpointTools tools,
    LeaderTerm term
)
{
    // A look costs the engine about 80 ms
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(10);

    /// <summary>While somebody waits for the next one.</summary>
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(2);
    private readonly string _folder = CheckpointFolders.Of(read.Spec.Checkpoint!, read.Workload.Id);
    private readonly Channel<bool> _nudges = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private IReadOnlyList<FoundCheckpoint> _told = [];

    /// <summary>Returns when the container has ended or cannot be looked into.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            await PauseAsync(ct);
            try
            {
                if (await tools.IsLookerAsync(read.Attempt, ct) && !await LookAsync(ct))
                {
                    await tools.Writes.NoteAsync(
                        term,
                        read.Attempt.Id,
                        "checkpoints-unseen",
                        "the image has no shell with find, stat, head and tail; its checkpoints are seen when it has ended"
                    );
                    return;
                }
            }
            catch (EngineException e) when (e.Kind is EngineErrorKind.NotFound or EngineErrorKind.Conflict)
            {
                return;
            }
            catch (Exception e)
                when (e is EngineException or EngineUnreachableException or IOException || DatabaseFaults.IsFault(e))
            {
                Log.Later(tools.Logger, read.Workload.Id, read.Attempt.ReplicaName, e.Message);
            }
        }
    }

    /// <summary>Something happened to the job: it may be to give way now.</summary>
    public void Nudge() => _nudges.Writer.TryWrite(true);

    private async Task PauseAsync(CancellationToken ct)
    {
        var began = tools.Time.GetTimestamp();
        while (true)
        {
            var left = (await IsAwaitedAsync(ct) ? s_soon : s_every) - tools.Time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero)
            {
                return;
            }
            using var over = new CancellationTokenSource(left, tools.Time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, over.Token);
            try
            {
                await _nudges.Reader.ReadAsync(both.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task<bool> IsAwaitedAsync(CancellationToken ct)
    {
        try
        {
            await using var db = await tools.Databases.CreateDbContextAsync(ct);
            return await db.Workloads.AnyAsync(w => w.Id == read.Workload.Id && w.YieldBy != null, ct);
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            return false;
        }
    }

    /// <summary>False where the image has not what it takes.</summary>
    private async Task<bool> LookAsync(CancellationToken ct)
    {
        var checkpoint = read.Spec.Checkpoint!;
        var place = await tools.PlaceAsync(read.Spec, read.Attempt.HostId, ct);
        if (!await TellAsync(place, checkpoint, ct))
        {
            return false;
        }
        var unwanted = await tools.UnwantedAsync(read.Workload.Id, place, read.Spec, ct);
        if (unwanted.Count > 0)
        {
            await CheckpointLook.RemoveAsync(engine, containerId, _folder, unwanted, ct);
            await TellAsync(place, checkpoint, ct);
        }
        return true;
    }

    private async Task<bool> TellAsync(Guid? place, CheckpointSpec checkpoint, CancellationToken ct)
    {
        if (await CheckpointLook.ListAsync(engine, containerId, _folder, ct) is not { } listing)
        {
            return false;
        }
        var found = CheckpointLayouts.Find(listing.Files, checkpoint.Glob);
        // What has no mark of its end is complete at the second look that finds it the same
        if (!found.SequenceEqual(_told) || found.Any(f => f.Seal == CheckpointSeal.None))
        {
            await tools.Writes.CheckpointsSeenAsync(
                term,
                read.Attempt.Id,
                new CheckpointSight(place, found, listing.IsWhole)
            );
            _told = found;
        }
        return true;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Job {Job}, {Replica}: its checkpoints are looked at later: {Error}")]
        public static partial void Later(ILogger logger, long job, string replica, string error);
    }
}
