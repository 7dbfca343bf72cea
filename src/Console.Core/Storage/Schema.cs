using System.Text.Json;
using DeepLab.Core.Clusters;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace DeepLab.Core.Storage;

/// <summary>Tables, keys and the indexes that keep the laws: one live lease a GPU, one live attempt a replica.</summary>
internal static class Schema
{
    public static void Configure(ModelBuilder model)
    {
        model.HasPostgresExtension("pg_trgm");
        model.Entity<Installation>().Property(x => x.Id).ValueGeneratedNever();
        model.Entity<LeaderRow>(e =>
        {
            e.ToTable("leadership");
            e.Property(x => x.Id).ValueGeneratedNever();
        });
        model.Entity<AuditRow>(e =>
        {
            e.ToTable("audit");
            e.HasIndex(x => x.At);
        });
        model.Entity<IdempotencyRow>(e =>
        {
            e.ToTable("idempotency_keys");
            e.HasKey(x => new { x.UserId, x.Key });
            e.HasIndex(x => x.CreatedAt);
        });
        model.Entity<EngineOutage>().HasIndex(x => new { x.HostId, x.From });
        Accounts(model);
        Fleet(model);
        Jobs(model);
        Views(model);
        Blocks(model);
    }

    private static void Accounts(ModelBuilder model)
    {
        model.Entity<User>(e =>
        {
            e.HasIndex(x => x.UserName).IsUnique();
            e.Property(x => x.Role).HasConversion<string>();
            Json(e.Property(x => x.Quota));
        });
        model.Entity<Team>(e =>
        {
            e.HasIndex(x => x.Name).IsUnique();
            Json(e.Property(x => x.Quota));
        });
        model.Entity<TeamMember>(e =>
        {
            e.HasKey(x => new { x.TeamId, x.UserId });
            e.HasIndex(x => x.UserId);
        });
        model.Entity<ApiToken>(e =>
        {
            e.HasIndex(x => x.Hash).IsUnique();
            e.HasIndex(x => x.UserId);
        });
        model.Entity<GatewayCode>(e =>
        {
            e.ToTable("gateway_codes");
            e.HasKey(x => x.Hash);
            e.HasIndex(x => x.ExpiresAt);
        });
    }

    private static void Fleet(ModelBuilder model)
    {
        model.Entity<Cluster>().HasIndex(x => x.Name).IsUnique();
        model.Entity<Host>(e =>
        {
            e.HasIndex(x => x.Name).IsUnique();
            e.Property(x => x.State).HasConversion<string>();
            e.Property(x => x.Wish).HasConversion<string>();
            e.Ignore(x => x.PublishAddress);
            Json(e.Property(x => x.Labels));
            Json(e.Property(x => x.Preflight!));
        });
        model.Entity<HostPair>(e =>
        {
            e.ToTable("host_pairs");
            e.HasKey(x => new { x.FirstId, x.SecondId });
            e.HasOne<Clusters.Host>().WithMany().HasForeignKey(x => x.FirstId).OnDelete(DeleteBehavior.Cascade);
            e.HasOne<Clusters.Host>().WithMany().HasForeignKey(x => x.SecondId).OnDelete(DeleteBehavior.Cascade);
            e.HasIndex(x => x.SecondId);
            e.HasIndex(x => new { x.ClusterId, x.MeasuredAt });
            e.HasIndex(x => x.ClusterId).HasDatabaseName("ix_host_pairs_slow").HasFilter("slow <> ''");
            e.Ignore(x => x.Newest);
            e.Ignore(x => x.Typical);
        });
        model.Entity<Gpu>(e =>
        {
            e.HasKey(x => x.Uuid);
            e.HasIndex(x => x.HostId);
            e.Property(x => x.Health).HasConversion<string>();
        });
        model.Entity<CatalogueImage>(e =>
        {
            e.ToTable("images");
            e.HasIndex(x => x.Name).IsUnique();
            e.HasIndex(x => x.Reference);
            e.Property(x => x.Origin).HasConversion<string>().HasDefaultValue(ImageOrigin.Listed);
            // What stood in the catalogue before there were owners is the lab's
            e.Property(x => x.Shared).HasDefaultValue(true).HasSentinel(true);
        });
        model.Entity<ImageTask>(e =>
        {
            e.ToTable("image_tasks");
            e.Property(x => x.Kind).HasConversion<string>();
            e.Property(x => x.State).HasConversion<string>();
            Json(e.Property(x => x.Wish!));
            e.Ignore(x => x.IsOver);
            // One at a time for each host and image, however many ask
            e.HasIndex(x => new { x.HostId, x.Reference })
                .HasDatabaseName("ix_image_tasks_one")
                .IsUnique()
                .HasFilter("state in ('Waiting','Running') and reference <> ''");
            e.HasIndex(x => x.State).HasDatabaseName("ix_image_tasks_open").HasFilter("state in ('Waiting','Running')");
        });
        model.Entity<ImagePolicy>(e =>
        {
            e.ToTable("image_policy");
            e.Property(x => x.Id).ValueGeneratedNever();
            e.Ignore(x => x.Sources);
        });
        model.Entity<PulledImage>(e =>
        {
            e.ToTable("pulled_images");
            e.HasKey(x => new { x.HostId, x.Reference });
            e.HasOne<Clusters.Host>().WithMany().HasForeignKey(x => x.HostId).OnDelete(DeleteBehavior.Cascade);
        });
        model.Entity<RegistryLogin>(e =>
        {
            e.ToTable("registry_logins");
            e.HasKey(x => x.Registry);
        });
        model.Entity<CodeArchive>().HasKey(x => x.Digest);
        model.Entity<Volume>(e =>
        {
            e.HasIndex(x => x.Name).IsUnique();
            e.Property(x => x.Kind).HasConversion<string>();
        });
        model.Entity<Dataset>().HasIndex(x => x.Name).IsUnique();
        model.Entity<DatasetVersion>(e =>
        {
            e.ToTable("dataset_versions");
            e.HasKey(x => new { x.DatasetId, x.Number });
            e.HasOne<Dataset>().WithMany().HasForeignKey(x => x.DatasetId).OnDelete(DeleteBehavior.Cascade);
            e.HasIndex(x => x.WorkloadId).IsUnique();
            e.HasIndex(x => x.Volume);
            e.HasIndex(x => x.State).HasDatabaseName("ix_dataset_versions_making").HasFilter("state = 'Making'");
            e.Property(x => x.State).HasConversion<string>();
            Json(e.Property(x => x.Split!));
            Json(e.Property(x => x.Parts!));
        });
    }

    private static void Jobs(ModelBuilder model)
    {
        model.Entity<Workload>(e =>
        {
            e.Property(x => x.Kind).HasConversion<string>();
            e.Property(x => x.State).HasConversion<string>();
            e.Property(x => x.Desired).HasConversion<string>();
            e.Property(x => x.Reason).HasConversion<string>();
            e.Property(x => x.RequeueReason).HasConversion<string>();
            e.Property(x => x.SpecJson).HasColumnType("jsonb");
            e.Ignore(x => x.UnsavedSince);
            Json(e.Property(x => x.Waits));
            // What the loop reads each pass: the few that have not ended, however long the history
            e.HasIndex(x => x.State)
                .HasDatabaseName("ix_workloads_live")
                .HasFilter("state not in ('Succeeded','Failed','Stopped')");
            e.HasIndex(x => new { x.OwnerId, x.Id }).HasFilter("deleted_at is null");
            e.HasIndex(x => new { x.State, x.Id }).HasFilter("deleted_at is null");
            e.HasIndex(x => x.EndedAt).HasFilter("ended_at is not null");
            e.HasIndex(x => x.SubmittedAt);
            e.HasIndex(x => new { x.TeamName, x.Id }).HasFilter("deleted_at is null");
            e.HasIndex(x => x.OriginId).HasFilter("origin_id is not null");
            e.HasIndex(x => x.ClusterId).HasDatabaseName("ix_workloads_host_network").HasFilter("host_network");
            e.HasIndex(x => x.Id).HasDatabaseName("ix_workloads_pinned").HasFilter("pinned");
            Json(e.Property(x => x.Labels).HasDefaultValueSql("'{}'"));
            Json(e.Property(x => x.PinnedRoleImages).HasDefaultValueSql("'{}'"));
            e.Property(x => x.LabelTerms).HasDefaultValueSql("'{}'");
            e.Property(x => x.GpuModels).HasDefaultValue("");
            e.Property(x => x.Notes).HasDefaultValue("");
            // Search by any part of a text in a long history. Without the list of what is not in the index yet, which every search would walk
            e.HasIndex(x => x.Name)
                .HasMethod("gin")
                .HasOperators("gin_trgm_ops")
                .HasStorageParameter("fastupdate", false);
            e.HasIndex(x => x.LabelTerms).HasMethod("gin").HasStorageParameter("fastupdate", false);
            e.HasIndex(x => x.HostNames).HasMethod("gin").HasStorageParameter("fastupdate", false);
            // Homes that go with the environments whose they were
            e.HasIndex(x => x.HomeHostId)
                .HasDatabaseName("ix_workloads_discarded_homes")
                .HasFilter("home_discarded and home_host_id is not null");
            // How long jobs of a name took
            e.HasIndex(x => new
                {
                    x.OwnerId,
                    x.Name,
                    x.Id,
                })
                .HasFilter("state = 'Succeeded'");
        });
        model.Entity<WorkloadText>(e =>
        {
            e.ToTable("workload_texts");
            e.HasKey(x => x.WorkloadId);
            e.Property(x => x.WorkloadId).ValueGeneratedNever();
            e.HasIndex(x => new { x.Image, x.Command })
                .HasMethod("gin")
                .HasOperators("gin_trgm_ops", "gin_trgm_ops")
                .HasStorageParameter("fastupdate", false);
        });
        model.Entity<RunReceipt>(e =>
        {
            e.ToTable("run_receipts");
            e.HasKey(x => x.WorkloadId);
            e.Property(x => x.WorkloadId).ValueGeneratedNever();
            Json(e.Property(x => x.Receipt));
        });
        model.Entity<RunMetric>(e =>
        {
            e.ToTable("run_metrics");
            e.HasKey(x => new { x.WorkloadId, x.Name });
            e.HasIndex(x => x.Name);
        });
        model.Entity<Replica>(e =>
        {
            e.Ignore(x => x.Name);
            e.HasIndex(x => new
                {
                    x.WorkloadId,
                    x.Role,
                    x.Index,
                })
                .IsUnique();
        });
        model.Entity<Attempt>(e =>
        {
            e.Property(x => x.State).HasConversion<string>();
            e.Property(x => x.Reason).HasConversion<string>();
            Json(e.Property(x => x.Findings));
            e.HasIndex(x => new { x.ReplicaId, x.Number }).IsUnique();
            e.HasIndex(x => x.ReplicaId)
                .HasDatabaseName("ix_attempts_one_live")
                .IsUnique()
                .HasFilter("state in ('Leased','Creating','Running')");
            e.HasIndex(x => x.WorkloadId);
            e.HasIndex(x => x.HostId).HasDatabaseName("ix_attempts_unfinished").HasFilter("not container_removed");
        });
        model.Entity<Lease>(e =>
        {
            e.HasIndex(x => x.GpuUuid)
                .HasDatabaseName("ix_leases_exclusive")
                .IsUnique()
                .HasFilter("released_at is null");
            e.HasIndex(x => x.AttemptId);
            e.HasIndex(x => x.WorkloadId);
        });
        model.Entity<Endpoint>(e =>
        {
            e.Property(x => x.Kind).HasConversion<string>();
            e.HasIndex(x => new { x.HostId, x.Port })
                .HasDatabaseName("ix_endpoints_exclusive")
                .IsUnique()
                .HasFilter("released_at is null");
            e.HasIndex(x => new { x.WorkloadId, x.Name });
            e.HasIndex(x => x.AttemptId);
        });
        model.Entity<Checkpoint>(e =>
        {
            e.Property(x => x.Layout).HasConversion<string>();
            e.HasIndex(x => new { x.WorkloadId, x.Id });
            e.HasIndex(x => x.DeleteRequestedAt)
                .HasDatabaseName("ix_checkpoints_unwanted")
                .HasFilter("delete_requested_at is not null and deleted_at is null");
        });
        model.Entity<WorkloadSecret>(e =>
        {
            e.ToTable("workload_secrets");
            e.HasKey(x => new { x.WorkloadId, x.Name });
        });
        model.Entity<JobNetwork>(e =>
        {
            e.ToTable("job_networks");
            e.HasKey(x => x.Name);
            e.HasIndex(x => x.WorkloadId);
        });
        model.Entity<WorkloadEvent>(e =>
        {
            e.ToTable("workload_events");
            e.HasKey(x => new { x.WorkloadId, x.Seq });
            e.Property(x => x.Reason).HasConversion<string>();
        });
    }

    private static void Views(ModelBuilder model) =>
        model.Entity<SavedView>(e =>
        {
            e.HasIndex(x => new { x.OwnerId, x.Name }).IsUnique();
            e.HasIndex(x => x.TeamId);
        });

    private static void Blocks(ModelBuilder model)
    {
        model.Entity<LogBlockRow>(e =>
        {
            e.ToTable("log_blocks");
            e.HasKey(x => new { x.AttemptId, x.FirstLine });
        });
        model.Entity<LogCursorRow>(e =>
        {
            e.ToTable("log_cursors");
            e.HasKey(x => x.AttemptId);
            e.Property(x => x.AttemptId).ValueGeneratedNever();
        });
        model.Entity<SeriesRow>(e =>
        {
            e.ToTable("series");
            e.HasIndex(x => new
                {
                    x.Owner,
                    x.OwnerId,
                    x.Name,
                    x.Source,
                })
                .IsUnique();
        });
        model.Entity<SeriesBlockRow>(e =>
        {
            e.ToTable("series_blocks");
            e.HasKey(x => new
            {
                x.SeriesId,
                x.Resolution,
                x.FirstUnixMillis,
                x.FirstStep,
            });
            e.HasIndex(x => new { x.Resolution, x.LastUnixMillis });
        });
        model.Entity<SeriesShelfRow>(e =>
        {
            e.ToTable("series_rows");
            e.HasKey(x => new { x.Shelf, x.Id });
            e.Property(x => x.Id).UseIdentityAlwaysColumn();
            e.Property(x => x.WrittenAt).HasDefaultValueSql("now()");
        });
        model.Entity<RunMediaRow>(e =>
        {
            e.ToTable("run_media");
            e.HasKey(x => new
            {
                x.WorkloadId,
                x.Kind,
                x.Tag,
                x.Source,
                x.Step,
            });
        });
        model.Entity<EventCursorRow>(e =>
        {
            e.ToTable("event_file_cursors");
            e.HasKey(x => x.AttemptId);
            e.Property(x => x.AttemptId).ValueGeneratedNever();
        });
    }

    private static void Json<T>(PropertyBuilder<T> property)
        where T : class
    {
        property
            .HasColumnType("jsonb")
            .HasConversion(
                v => JsonSerializer.Serialize(v, JsonSerializerOptions.Web),
                s => JsonSerializer.Deserialize<T>(s, JsonSerializerOptions.Web)!,
                new ValueComparer<T>(
                    (a, b) =>
                        JsonSerializer.Serialize(a, JsonSerializerOptions.Web)
                        == JsonSerializer.Serialize(b, JsonSerializerOptions.Web),
                    v => JsonSerializer.Serialize(v, JsonSerializerOptions.Web).GetHashCode(StringComparison.Ordinal),
                    v =>
                        JsonSerializer.Deserialize<T>(
                            JsonSerializer.Serialize(v, JsonSerializerOptions.Web),
                            JsonSerializerOptions.Web
                        )!
                )
            );
    }
}
