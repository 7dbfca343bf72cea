using DeepLab.Core.Clusters;
using DeepLab.Core.Feeds;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>
/// The one database. Changes announced with <see cref="Tell"/> reach every console when the transaction commits, and
/// not before: they ride on it as notifications.
/// </summary>
public sealed class ConsoleDb : DbContext
{
    private readonly HashSet<Change> _changes = [];

    public ConsoleDb(DbContextOptions<ConsoleDb> options)
        : base(options) =>
        // What fails half-way is rolled back whole: a savepoint around each save would cost two round trips and serve nobody
        Database.AutoSavepointsEnabled = false;

    public DbSet<Installation> Installations => Set<Installation>();
    public DbSet<LeaderRow> Leaders => Set<LeaderRow>();
    public DbSet<AuditRow> Audit => Set<AuditRow>();
    public DbSet<IdempotencyRow> IdempotencyKeys => Set<IdempotencyRow>();
    public DbSet<EngineOutage> EngineOutages => Set<EngineOutage>();
    public DbSet<User> Users => Set<User>();
    public DbSet<ApiToken> Tokens => Set<ApiToken>();
    public DbSet<GatewayCode> GatewayCodes => Set<GatewayCode>();
    public DbSet<Team> Teams => Set<Team>();
    public DbSet<TeamMember> TeamMembers => Set<TeamMember>();
    public DbSet<JobNetwork> Networks => Set<JobNetwork>();
    public DbSet<Cluster> Clusters => Set<Cluster>();
    public DbSet<Host> Hosts => Set<Host>();
    public DbSet<Gpu> Gpus => Set<Gpu>();
    public DbSet<HostPair> HostPairs => Set<HostPair>();
    public DbSet<Workload> Workloads => Set<Workload>();
    public DbSet<Replica> Replicas => Set<Replica>();
    public DbSet<Attempt> Attempts => Set<Attempt>();
    public DbSet<Lease> Leases => Set<Lease>();
    public DbSet<Endpoint> Endpoints => Set<Endpoint>();
    public DbSet<Checkpoint> Checkpoints => Set<Checkpoint>();
    public DbSet<WorkloadSecret> Secrets => Set<WorkloadSecret>();
    public DbSet<WorkloadEvent> Events => Set<WorkloadEvent>();
    public DbSet<WorkloadText> Texts => Set<WorkloadText>();
    public DbSet<RunReceipt> Receipts => Set<RunReceipt>();
    public DbSet<RunMetric> RunMetrics => Set<RunMetric>();
    public DbSet<SavedView> SavedViews => Set<SavedView>();
    public DbSet<Volume> Volumes => Set<Volume>();
    public DbSet<Dataset> Datasets => Set<Dataset>();
    public DbSet<DatasetVersion> DatasetVersions => Set<DatasetVersion>();
    public DbSet<CatalogueImage> Images => Set<CatalogueImage>();
    public DbSet<ImageTask> ImageTasks => Set<ImageTask>();
    public DbSet<ImagePolicy> ImagePolicies => Set<ImagePolicy>();
    public DbSet<PulledImage> PulledImages => Set<PulledImage>();
    public DbSet<RegistryLogin> RegistryLogins => Set<RegistryLogin>();
    public DbSet<CodeArchive> CodeArchives => Set<CodeArchive>();

    public void Tell(ChangeKind kind, long id = 0) => _changes.Add(new Change(kind, id));

    /// <summary>Reads a workload and holds its row until the transaction ends, so that its events stay contiguous.</summary>
    public Task<Workload?> LockWorkloadAsync(long id, CancellationToken ct) =>
        Workloads.FromSql($"select * from workloads where id = {id} for update").SingleOrDefaultAsync(ct);

    /// <summary>Reads a host and holds its row: operators' verbs and the loop both write it.</summary>
    public Task<Clusters.Host?> LockHostAsync(Guid id, CancellationToken ct) =>
        Hosts.FromSql($"select * from hosts where id = {id} for update").SingleOrDefaultAsync(ct);

    /// <summary>Adds the next event of a workload, whose row the caller holds, and announces the workload.</summary>
    public void AddEvent(
        Workload workload,
        DateTimeOffset at,
        string actor,
        string kind,
        Reason reason,
        string message,
        Attempt? attempt = null
    )
    {
        Events.Add(
            new WorkloadEvent
            {
                WorkloadId = workload.Id,
                Seq = ++workload.LastEventSeq,
                At = at,
                Actor = actor,
                Kind = kind,
                Reason = reason,
                Message = message,
                Replica = attempt?.ReplicaName,
                Attempt = attempt?.Number,
            }
        );
        Tell(ChangeKind.Workload, workload.Id);
    }

    /// <summary>One row for each mutation by a user, in its transaction.</summary>
    public void AddAudit(DateTimeOffset at, string actor, string action, string target) =>
        Audit.Add(
            new AuditRow
            {
                At = at,
                Actor = actor,
                Action = action,
                Target = target,
            }
        );

    /// <summary>Saves, sends the announcements, and commits the running transaction.</summary>
    public async Task CommitAsync(CancellationToken ct)
    {
        await SaveChangesAsync(ct);
        if (_changes.Count > 0)
        {
            var payloads = _changes.Select(ChangeListener.Encode).ToArray();
            _changes.Clear();
            await Database.ExecuteSqlAsync(
                $"select pg_notify({ChangeListener.Channel}, p) from unnest({payloads}) as p",
                ct
            );
        }
        await Database.CurrentTransaction!.CommitAsync(ct);
    }

    protected override void OnModelCreating(ModelBuilder modelBuilder) => Schema.Configure(modelBuilder);
}

/// <summary>One row: which installation this database belongs to. Containers carry its id as a label.</summary>
public sealed class Installation
{
    public int Id { get; set; } = 1;

    /// <summary>12 hex digits</summary>
    public required string InstallId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>Days after its end that a job stays in the history; null = for ever.</summary>
    public int? HistoryDays { get; set; }
}

/// <summary>One row: who leads, until when by the database's clock, in which epoch.</summary>
public sealed class LeaderRow
{
    public int Id { get; set; } = 1;
    public required string Holder { get; set; }
    public long Epoch { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }

    /// <summary>Until the transaction ends the loop, which shares the row in each of its writes, writes nothing.</summary>
    internal static Task HoldAsync(ConsoleDb db, CancellationToken ct) =>
        db.Database.SqlQuery<int>($"select id as \"Value\" from leadership where id = 1 for update").ToListAsync(ct);
}

/// <summary>Who did what, when: one row per mutation by a user.</summary>
public sealed class AuditRow
{
    public long Id { get; set; }
    public DateTimeOffset At { get; set; }
    public required string Actor { get; set; }
    public required string Action { get; set; }
    public required string Target { get; set; }
}

/// <summary>What an Idempotency-Key answered. Kept for a day.</summary>
public sealed class IdempotencyRow
{
    public Guid UserId { get; set; }
    public required string Key { get; set; }
    public required string BodyHash { get; set; }
    public long WorkloadId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
}

/// <summary>A stretch of an engine's time in which it stopped its containers: an exit inside it is an interruption.</summary>
public sealed class EngineOutage
{
    public long Id { get; set; }
    public Guid HostId { get; set; }
    public DateTimeOffset From { get; set; }
    public DateTimeOffset To { get; set; }
}

/// <summary>
/// A network across hosts, or on one, for one round of one workload with several replicas. The row stands before the network is made, and goes when it was
/// seen gone.
/// </summary>
public sealed class JobNetwork
{
    /// <summary>`dl-<installation>-<job>-net-<round>`</summary>
    public required string Name { get; set; }
    public long WorkloadId { get; set; }
    public int Round { get; set; }
    public Guid ClusterId { get; set; }

    /// <summary>Where it is a bridge of this one host; null = across hosts.</summary>
    public Guid? HostId { get; set; }
}
