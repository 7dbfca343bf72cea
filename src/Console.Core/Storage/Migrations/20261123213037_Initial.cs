using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "attempts",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    replica_id = table.Column<long>(type: "bigint", nullable: false),
                    replica_name = table.Column<string>(type: "text", nullable: false),
                    number = table.Column<int>(type: "integer", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    container_name = table.Column<string>(type: "text", nullable: false),
                    container_id = table.Column<string>(type: "text", nullable: true),
                    state = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false),
                    message = table.Column<string>(type: "text", nullable: false),
                    cpus = table.Column<double>(type: "double precision", nullable: false),
                    memory_bytes = table.Column<long>(type: "bigint", nullable: false),
                    leased_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    started_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    exit_code = table.Column<int>(type: "integer", nullable: true),
                    oom_killed = table.Column<bool>(type: "boolean", nullable: false),
                    stop_sent_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    log_archived = table.Column<bool>(type: "boolean", nullable: false),
                    container_removed = table.Column<bool>(type: "boolean", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_attempts", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "audit",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    actor = table.Column<string>(type: "text", nullable: false),
                    action = table.Column<string>(type: "text", nullable: false),
                    target = table.Column<string>(type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_audit", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "clusters",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_clusters", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "code_archives",
                columns: table => new
                {
                    digest = table.Column<string>(type: "text", nullable: false),
                    bytes = table.Column<long>(type: "bigint", nullable: false),
                    unpacked_bytes = table.Column<long>(type: "bigint", nullable: false),
                    entries = table.Column<int>(type: "integer", nullable: false),
                    owner_id = table.Column<Guid>(type: "uuid", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    last_used_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_code_archives", x => x.digest);
                }
            );

            migrationBuilder.CreateTable(
                name: "engine_outages",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    from = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    to = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_engine_outages", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "event_file_cursors",
                columns: table => new
                {
                    attempt_id = table.Column<long>(type: "bigint", nullable: false),
                    cursor = table.Column<string>(type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_event_file_cursors", x => x.attempt_id);
                }
            );

            migrationBuilder.CreateTable(
                name: "gpus",
                columns: table => new
                {
                    uuid = table.Column<string>(type: "text", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    index = table.Column<int>(type: "integer", nullable: false),
                    model = table.Column<string>(type: "text", nullable: false),
                    memory_bytes = table.Column<long>(type: "bigint", nullable: false),
                    driver_version = table.Column<string>(type: "text", nullable: false),
                    pci_bus_id = table.Column<string>(type: "text", nullable: false),
                    health = table.Column<string>(type: "text", nullable: false),
                    health_message = table.Column<string>(type: "text", nullable: false),
                    last_seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_gpus", x => x.uuid);
                }
            );

            migrationBuilder.CreateTable(
                name: "hosts",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    cluster_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    address = table.Column<string>(type: "text", nullable: false),
                    labels = table.Column<string>(type: "jsonb", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    state_message = table.Column<string>(type: "text", nullable: false),
                    engine_version = table.Column<string>(type: "text", nullable: false),
                    api_version = table.Column<string>(type: "text", nullable: false),
                    operating_system = table.Column<string>(type: "text", nullable: false),
                    kernel_version = table.Column<string>(type: "text", nullable: false),
                    cpus = table.Column<double>(type: "double precision", nullable: false),
                    memory_bytes = table.Column<long>(type: "bigint", nullable: false),
                    last_seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_hosts", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "idempotency_keys",
                columns: table => new
                {
                    user_id = table.Column<Guid>(type: "uuid", nullable: false),
                    key = table.Column<string>(type: "text", nullable: false),
                    body_hash = table.Column<string>(type: "text", nullable: false),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_idempotency_keys", x => new { x.user_id, x.key });
                }
            );

            migrationBuilder.CreateTable(
                name: "images",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    reference = table.Column<string>(type: "text", nullable: false),
                    framework = table.Column<string>(type: "text", nullable: false),
                    framework_version = table.Column<string>(type: "text", nullable: false),
                    features = table.Column<string[]>(type: "text[]", nullable: false),
                    description = table.Column<string>(type: "text", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_images", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "installations",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false),
                    install_id = table.Column<string>(type: "text", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_installations", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "leadership",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false),
                    holder = table.Column<string>(type: "text", nullable: false),
                    epoch = table.Column<long>(type: "bigint", nullable: false),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_leadership", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "leases",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    gpu_uuid = table.Column<string>(type: "text", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    attempt_id = table.Column<long>(type: "bigint", nullable: false),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    leased_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    released_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_leases", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "log_blocks",
                columns: table => new
                {
                    attempt_id = table.Column<long>(type: "bigint", nullable: false),
                    first_line = table.Column<long>(type: "bigint", nullable: false),
                    line_count = table.Column<int>(type: "integer", nullable: false),
                    first_unix_nanos = table.Column<long>(type: "bigint", nullable: false),
                    last_unix_nanos = table.Column<long>(type: "bigint", nullable: false),
                    raw_bytes = table.Column<int>(type: "integer", nullable: false),
                    data = table.Column<byte[]>(type: "bytea", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_log_blocks", x => new { x.attempt_id, x.first_line });
                }
            );

            migrationBuilder.CreateTable(
                name: "log_cursors",
                columns: table => new
                {
                    attempt_id = table.Column<long>(type: "bigint", nullable: false),
                    last_unix_nanos = table.Column<long>(type: "bigint", nullable: false),
                    same_stamp_count = table.Column<int>(type: "integer", nullable: false),
                    lines = table.Column<long>(type: "bigint", nullable: false),
                    bytes = table.Column<long>(type: "bigint", nullable: false),
                    gaps = table.Column<int>(type: "integer", nullable: false),
                    complete = table.Column<bool>(type: "boolean", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_log_cursors", x => x.attempt_id);
                }
            );

            migrationBuilder.CreateTable(
                name: "replicas",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    role = table.Column<string>(type: "text", nullable: false),
                    index = table.Column<int>(type: "integer", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_replicas", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "series",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    owner = table.Column<int>(type: "integer", nullable: false),
                    owner_id = table.Column<string>(type: "text", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    source = table.Column<string>(type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_series", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "series_blocks",
                columns: table => new
                {
                    series_id = table.Column<long>(type: "bigint", nullable: false),
                    resolution = table.Column<int>(type: "integer", nullable: false),
                    first_unix_millis = table.Column<long>(type: "bigint", nullable: false),
                    first_step = table.Column<long>(type: "bigint", nullable: false),
                    last_unix_millis = table.Column<long>(type: "bigint", nullable: false),
                    last_step = table.Column<long>(type: "bigint", nullable: false),
                    count = table.Column<int>(type: "integer", nullable: false),
                    data = table.Column<byte[]>(type: "bytea", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey(
                        "pk_series_blocks",
                        x => new
                        {
                            x.series_id,
                            x.resolution,
                            x.first_unix_millis,
                            x.first_step,
                        }
                    );
                }
            );

            migrationBuilder.CreateTable(
                name: "tokens",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    user_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    prefix = table.Column<string>(type: "text", nullable: false),
                    hash = table.Column<byte[]>(type: "bytea", nullable: false),
                    scopes = table.Column<string[]>(type: "text[]", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    last_used_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    revoked_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_tokens", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "users",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    user_name = table.Column<string>(type: "text", nullable: false),
                    password_hash = table.Column<string>(type: "text", nullable: false),
                    role = table.Column<string>(type: "text", nullable: false),
                    security_stamp = table.Column<string>(type: "text", nullable: false),
                    disabled = table.Column<bool>(type: "boolean", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_users", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "workload_events",
                columns: table => new
                {
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    seq = table.Column<int>(type: "integer", nullable: false),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    actor = table.Column<string>(type: "text", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false),
                    message = table.Column<string>(type: "text", nullable: false),
                    replica = table.Column<string>(type: "text", nullable: true),
                    attempt = table.Column<int>(type: "integer", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_workload_events", x => new { x.workload_id, x.seq });
                }
            );

            migrationBuilder.CreateTable(
                name: "workloads",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    kind = table.Column<string>(type: "text", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    owner_id = table.Column<Guid>(type: "uuid", nullable: false),
                    owner_name = table.Column<string>(type: "text", nullable: false),
                    cluster_id = table.Column<Guid>(type: "uuid", nullable: false),
                    spec_json = table.Column<string>(type: "jsonb", nullable: false),
                    spec_hash = table.Column<string>(type: "text", nullable: false),
                    priority = table.Column<int>(type: "integer", nullable: false),
                    gpus_asked = table.Column<int>(type: "integer", nullable: false),
                    gpus_held = table.Column<int>(type: "integer", nullable: false),
                    desired = table.Column<string>(type: "text", nullable: false),
                    stop_requested_by = table.Column<string>(type: "text", nullable: true),
                    stop_requested_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    state = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false),
                    message = table.Column<string>(type: "text", nullable: false),
                    waits = table.Column<string>(type: "jsonb", nullable: false),
                    host_name = table.Column<string>(type: "text", nullable: true),
                    restarts = table.Column<int>(type: "integer", nullable: false),
                    submitted_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    queued_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    placed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    started_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    deadline = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    deleted_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    last_event_seq = table.Column<int>(type: "integer", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_workloads", x => x.id);
                }
            );

            migrationBuilder.CreateIndex(
                name: "ix_attempts_one_live",
                table: "attempts",
                column: "replica_id",
                unique: true,
                filter: "state in ('Leased','Creating','Running')"
            );

            migrationBuilder.CreateIndex(
                name: "ix_attempts_replica_id_number",
                table: "attempts",
                columns: new[] { "replica_id", "number" },
                unique: true
            );

            migrationBuilder.CreateIndex(
                name: "ix_attempts_unfinished",
                table: "attempts",
                column: "host_id",
                filter: "not container_removed"
            );

            migrationBuilder.CreateIndex(name: "ix_attempts_workload_id", table: "attempts", column: "workload_id");

            migrationBuilder.CreateIndex(name: "ix_audit_at", table: "audit", column: "at");

            migrationBuilder.CreateIndex(name: "ix_clusters_name", table: "clusters", column: "name", unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_engine_outages_host_id_from",
                table: "engine_outages",
                columns: new[] { "host_id", "from" }
            );

            migrationBuilder.CreateIndex(name: "ix_gpus_host_id", table: "gpus", column: "host_id");

            migrationBuilder.CreateIndex(name: "ix_hosts_name", table: "hosts", column: "name", unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_idempotency_keys_created_at",
                table: "idempotency_keys",
                column: "created_at"
            );

            migrationBuilder.CreateIndex(name: "ix_images_name", table: "images", column: "name", unique: true);

            migrationBuilder.CreateIndex(name: "ix_leases_attempt_id", table: "leases", column: "attempt_id");

            migrationBuilder.CreateIndex(
                name: "ix_leases_exclusive",
                table: "leases",
                column: "gpu_uuid",
                unique: true,
                filter: "released_at is null"
            );

            migrationBuilder.CreateIndex(name: "ix_leases_workload_id", table: "leases", column: "workload_id");

            migrationBuilder.CreateIndex(
                name: "ix_replicas_workload_id_role_index",
                table: "replicas",
                columns: new[] { "workload_id", "role", "index" },
                unique: true
            );

            migrationBuilder.CreateIndex(
                name: "ix_series_owner_owner_id_name_source",
                table: "series",
                columns: new[] { "owner", "owner_id", "name", "source" },
                unique: true
            );

            migrationBuilder.CreateIndex(
                name: "ix_series_blocks_resolution_last_unix_millis",
                table: "series_blocks",
                columns: new[] { "resolution", "last_unix_millis" }
            );

            migrationBuilder.CreateIndex(name: "ix_tokens_hash", table: "tokens", column: "hash", unique: true);

            migrationBuilder.CreateIndex(name: "ix_tokens_user_id", table: "tokens", column: "user_id");

            migrationBuilder.CreateIndex(name: "ix_users_user_name", table: "users", column: "user_name", unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_workloads_ended_at",
                table: "workloads",
                column: "ended_at",
                filter: "ended_at is not null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_live",
                table: "workloads",
                column: "state",
                filter: "state not in ('Succeeded','Failed','Stopped')"
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_owner_id_id",
                table: "workloads",
                columns: new[] { "owner_id", "id" },
                filter: "deleted_at is null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_state_id",
                table: "workloads",
                columns: new[] { "state", "id" },
                filter: "deleted_at is null"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "attempts");

            migrationBuilder.DropTable(name: "audit");

            migrationBuilder.DropTable(name: "clusters");

            migrationBuilder.DropTable(name: "code_archives");

            migrationBuilder.DropTable(name: "engine_outages");

            migrationBuilder.DropTable(name: "event_file_cursors");

            migrationBuilder.DropTable(name: "gpus");

            migrationBuilder.DropTable(name: "hosts");

            migrationBuilder.DropTable(name: "idempotency_keys");

            migrationBuilder.DropTable(name: "images");

            migrationBuilder.DropTable(name: "installations");

            migrationBuilder.DropTable(name: "leadership");

            migrationBuilder.DropTable(name: "leases");

            migrationBuilder.DropTable(name: "log_blocks");

            migrationBuilder.DropTable(name: "log_cursors");

            migrationBuilder.DropTable(name: "replicas");

            migrationBuilder.DropTable(name: "series");

            migrationBuilder.DropTable(name: "series_blocks");

            migrationBuilder.DropTable(name: "tokens");

            migrationBuilder.DropTable(name: "users");

            migrationBuilder.DropTable(name: "workload_events");

            migrationBuilder.DropTable(name: "workloads");
        }
    }
}
