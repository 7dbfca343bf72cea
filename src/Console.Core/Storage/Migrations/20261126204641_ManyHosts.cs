using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class ManyHosts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AlterDatabase().Annotation("Npgsql:PostgresExtension:pg_trgm", ",,");

            migrationBuilder.AddColumn<bool>(
                name: "borrowing",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<double>(
                name: "estimate_error_seconds",
                table: "workloads",
                type: "double precision",
                nullable: true
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "estimated_start",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<double>(
                name: "expected_seconds",
                table: "workloads",
                type: "double precision",
                nullable: true
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "first_estimate",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<bool>(
                name: "held",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<string[]>(
                name: "host_names",
                table: "workloads",
                type: "text[]",
                nullable: false,
                defaultValue: new string[0]
            );

            migrationBuilder.AddColumn<int>(
                name: "interruptions",
                table: "workloads",
                type: "integer",
                nullable: false,
                defaultValue: 0
            );

            migrationBuilder.AddColumn<string>(name: "network_name", table: "workloads", type: "text", nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "preemptible",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<int>(
                name: "preemptions",
                table: "workloads",
                type: "integer",
                nullable: false,
                defaultValue: 0
            );

            migrationBuilder.AddColumn<double>(
                name: "rank",
                table: "workloads",
                type: "double precision",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(
                name: "requeue_reason",
                table: "workloads",
                type: "text",
                nullable: false,
                defaultValue: "None"
            );

            migrationBuilder.AddColumn<int>(
                name: "round",
                table: "workloads",
                type: "integer",
                nullable: false,
                defaultValue: 1
            );

            migrationBuilder.AddColumn<Guid>(
                name: "team_id",
                table: "workloads",
                type: "uuid",
                nullable: false,
                defaultValue: new Guid("00000000-0000-0000-0000-000000000000")
            );

            migrationBuilder.AddColumn<string>(
                name: "team_name",
                table: "workloads",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<string>(
                name: "quota",
                table: "users",
                type: "jsonb",
                nullable: false,
                defaultValue: "{}"
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "drain_deadline",
                table: "hosts",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<string[]>(
                name: "images",
                table: "hosts",
                type: "text[]",
                nullable: false,
                defaultValue: new string[0]
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "lost_at",
                table: "hosts",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(
                name: "network_address",
                table: "hosts",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<string>(name: "node_id", table: "hosts", type: "text", nullable: true);

            migrationBuilder.AddColumn<string>(name: "preflight", table: "hosts", type: "jsonb", nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "sealed_credentials",
                table: "hosts",
                type: "text",
                nullable: true
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "unreachable_since",
                table: "hosts",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(
                name: "wish",
                table: "hosts",
                type: "text",
                nullable: false,
                defaultValue: "Active"
            );

            migrationBuilder.AddColumn<string>(
                name: "manager_address",
                table: "clusters",
                type: "text",
                nullable: true
            );

            migrationBuilder.AddColumn<int>(
                name: "node_port",
                table: "clusters",
                type: "integer",
                nullable: false,
                defaultValue: 2376
            );

            migrationBuilder.AddColumn<string>(
                name: "sealed_credentials",
                table: "clusters",
                type: "text",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(
                name: "trouble",
                table: "clusters",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.CreateTable(
                name: "job_networks",
                columns: table => new
                {
                    name = table.Column<string>(type: "text", nullable: false),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    round = table.Column<int>(type: "integer", nullable: false),
                    cluster_id = table.Column<Guid>(type: "uuid", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_job_networks", x => x.name);
                }
            );

            migrationBuilder.CreateTable(
                name: "team_members",
                columns: table => new
                {
                    team_id = table.Column<Guid>(type: "uuid", nullable: false),
                    user_id = table.Column<Guid>(type: "uuid", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_team_members", x => new { x.team_id, x.user_id });
                }
            );

            migrationBuilder.CreateTable(
                name: "teams",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    weight = table.Column<double>(type: "double precision", nullable: false),
                    quota = table.Column<string>(type: "jsonb", nullable: false),
                    recent_gpu_seconds = table.Column<double>(type: "double precision", nullable: false),
                    recent_use_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_teams", x => x.id);
                }
            );

            migrationBuilder
                .CreateIndex(name: "ix_workloads_name", table: "workloads", column: "name")
                .Annotation("Npgsql:IndexMethod", "gin")
                .Annotation("Npgsql:IndexOperators", new[] { "gin_trgm_ops" });

            migrationBuilder.CreateIndex(
                name: "ix_workloads_owner_id_name_id",
                table: "workloads",
                columns: new[] { "owner_id", "name", "id" },
                filter: "state = 'Succeeded'"
            );

            migrationBuilder.CreateIndex(
                name: "ix_job_networks_workload_id",
                table: "job_networks",
                column: "workload_id"
            );

            migrationBuilder.CreateIndex(name: "ix_team_members_user_id", table: "team_members", column: "user_id");

            migrationBuilder.CreateIndex(name: "ix_teams_name", table: "teams", column: "name", unique: true);

            // Rounds were numbered by restarts until now; a name of one host was kept alone
            migrationBuilder.Sql(
                "update workloads set round = restarts + 1, host_names = case when host_name is null then '{}' else array[host_name] end"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "job_networks");

            migrationBuilder.DropTable(name: "team_members");

            migrationBuilder.DropTable(name: "teams");

            migrationBuilder.DropIndex(name: "ix_workloads_name", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_owner_id_name_id", table: "workloads");

            migrationBuilder.DropColumn(name: "borrowing", table: "workloads");

            migrationBuilder.DropColumn(name: "estimate_error_seconds", table: "workloads");

            migrationBuilder.DropColumn(name: "estimated_start", table: "workloads");

            migrationBuilder.DropColumn(name: "expected_seconds", table: "workloads");

            migrationBuilder.DropColumn(name: "first_estimate", table: "workloads");

            migrationBuilder.DropColumn(name: "held", table: "workloads");

            migrationBuilder.DropColumn(name: "host_names", table: "workloads");

            migrationBuilder.DropColumn(name: "interruptions", table: "workloads");

            migrationBuilder.DropColumn(name: "network_name", table: "workloads");

            migrationBuilder.DropColumn(name: "preemptible", table: "workloads");

            migrationBuilder.DropColumn(name: "preemptions", table: "workloads");

            migrationBuilder.DropColumn(name: "rank", table: "workloads");

            migrationBuilder.DropColumn(name: "requeue_reason", table: "workloads");

            migrationBuilder.DropColumn(name: "round", table: "workloads");

            migrationBuilder.DropColumn(name: "team_id", table: "workloads");

            migrationBuilder.DropColumn(name: "team_name", table: "workloads");

            migrationBuilder.DropColumn(name: "quota", table: "users");

            migrationBuilder.DropColumn(name: "drain_deadline", table: "hosts");

            migrationBuilder.DropColumn(name: "images", table: "hosts");

            migrationBuilder.DropColumn(name: "lost_at", table: "hosts");

            migrationBuilder.DropColumn(name: "network_address", table: "hosts");

            migrationBuilder.DropColumn(name: "node_id", table: "hosts");

            migrationBuilder.DropColumn(name: "preflight", table: "hosts");

            migrationBuilder.DropColumn(name: "sealed_credentials", table: "hosts");

            migrationBuilder.DropColumn(name: "unreachable_since", table: "hosts");

            migrationBuilder.DropColumn(name: "wish", table: "hosts");

            migrationBuilder.DropColumn(name: "manager_address", table: "clusters");

            migrationBuilder.DropColumn(name: "node_port", table: "clusters");

            migrationBuilder.DropColumn(name: "sealed_credentials", table: "clusters");

            migrationBuilder.DropColumn(name: "trouble", table: "clusters");

            migrationBuilder.AlterDatabase().OldAnnotation("Npgsql:PostgresExtension:pg_trgm", ",,");
        }
    }
}
