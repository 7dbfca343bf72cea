using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class Checkpoints : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "checkpoint_at",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<double>(
                name: "checkpoint_seconds",
                table: "workloads",
                type: "double precision",
                nullable: true
            );

            migrationBuilder.AddColumn<long>(
                name: "checkpoint_step",
                table: "workloads",
                type: "bigint",
                nullable: true
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "yield_by",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(
                name: "yield_message",
                table: "workloads",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<bool>(
                name: "resume_decided",
                table: "attempts",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<string>(name: "resume_from", table: "attempts", type: "text", nullable: true);

            migrationBuilder.AddColumn<long>(name: "resume_step", table: "attempts", type: "bigint", nullable: true);

            migrationBuilder.CreateTable(
                name: "checkpoints",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: true),
                    path = table.Column<string>(type: "text", nullable: false),
                    layout = table.Column<string>(type: "text", nullable: false),
                    step = table.Column<long>(type: "bigint", nullable: true),
                    bytes = table.Column<long>(type: "bigint", nullable: false),
                    files = table.Column<int>(type: "integer", nullable: false),
                    replica = table.Column<string>(type: "text", nullable: false),
                    attempt = table.Column<int>(type: "integer", nullable: false),
                    written_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    changed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    complete = table.Column<bool>(type: "boolean", nullable: false),
                    pinned = table.Column<bool>(type: "boolean", nullable: false),
                    delete_requested_at = table.Column<DateTimeOffset>(
                        type: "timestamp with time zone",
                        nullable: true
                    ),
                    deleted_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_checkpoints", x => x.id);
                }
            );

            migrationBuilder.CreateIndex(
                name: "ix_checkpoints_unwanted",
                table: "checkpoints",
                column: "delete_requested_at",
                filter: "delete_requested_at is not null and deleted_at is null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_checkpoints_workload_id_id",
                table: "checkpoints",
                columns: new[] { "workload_id", "id" }
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "checkpoints");

            migrationBuilder.DropColumn(name: "checkpoint_at", table: "workloads");

            migrationBuilder.DropColumn(name: "checkpoint_seconds", table: "workloads");

            migrationBuilder.DropColumn(name: "checkpoint_step", table: "workloads");

            migrationBuilder.DropColumn(name: "yield_by", table: "workloads");

            migrationBuilder.DropColumn(name: "yield_message", table: "workloads");

            migrationBuilder.DropColumn(name: "resume_decided", table: "attempts");

            migrationBuilder.DropColumn(name: "resume_from", table: "attempts");

            migrationBuilder.DropColumn(name: "resume_step", table: "attempts");
        }
    }
}
