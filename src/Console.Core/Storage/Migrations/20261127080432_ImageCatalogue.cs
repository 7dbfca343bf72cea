using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class ImageCatalogue : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<double>(
                name: "pull_fraction",
                table: "workloads",
                type: "double precision",
                nullable: true
            );

            migrationBuilder.AddColumn<long>(name: "bytes", table: "images", type: "bigint", nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "cuda",
                table: "images",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<string>(
                name: "origin",
                table: "images",
                type: "text",
                nullable: false,
                defaultValue: "Listed"
            );

            migrationBuilder.AddColumn<Guid>(name: "owner_id", table: "images", type: "uuid", nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "owner_name",
                table: "images",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<string>(name: "pinned", table: "images", type: "text", nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "python",
                table: "images",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<bool>(
                name: "shared",
                table: "images",
                type: "boolean",
                nullable: false,
                defaultValue: true
            );

            migrationBuilder.AddColumn<long>(name: "workload_id", table: "images", type: "bigint", nullable: true);

            migrationBuilder.CreateTable(
                name: "image_tasks",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    kind = table.Column<string>(type: "text", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    reference = table.Column<string>(type: "text", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    host_name = table.Column<string>(type: "text", nullable: false),
                    from_host_id = table.Column<Guid>(type: "uuid", nullable: true),
                    fraction = table.Column<double>(type: "double precision", nullable: true),
                    message = table.Column<string>(type: "text", nullable: false),
                    log = table.Column<string>(type: "text", nullable: false),
                    wish = table.Column<string>(type: "jsonb", nullable: true),
                    actor_id = table.Column<Guid>(type: "uuid", nullable: false),
                    actor_name = table.Column<string>(type: "text", nullable: false),
                    cancel_wanted = table.Column<bool>(type: "boolean", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    handed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    started_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_image_tasks", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "registry_logins",
                columns: table => new
                {
                    registry = table.Column<string>(type: "text", nullable: false),
                    user_name = table.Column<string>(type: "text", nullable: false),
                    sealed_password = table.Column<string>(type: "text", nullable: false),
                    token_host = table.Column<string>(type: "text", nullable: true),
                    plain_http = table.Column<bool>(type: "boolean", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_registry_logins", x => x.registry);
                }
            );

            migrationBuilder.CreateIndex(name: "ix_images_reference", table: "images", column: "reference");

            migrationBuilder.CreateIndex(
                name: "ix_image_tasks_one",
                table: "image_tasks",
                columns: new[] { "host_id", "reference" },
                unique: true,
                filter: "state in ('Waiting','Running') and reference <> ''"
            );

            migrationBuilder.CreateIndex(
                name: "ix_image_tasks_open",
                table: "image_tasks",
                column: "state",
                filter: "state in ('Waiting','Running')"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "image_tasks");

            migrationBuilder.DropTable(name: "registry_logins");

            migrationBuilder.DropIndex(name: "ix_images_reference", table: "images");

            migrationBuilder.DropColumn(name: "pull_fraction", table: "workloads");

            migrationBuilder.DropColumn(name: "bytes", table: "images");

            migrationBuilder.DropColumn(name: "cuda", table: "images");

            migrationBuilder.DropColumn(name: "origin", table: "images");

            migrationBuilder.DropColumn(name: "owner_id", table: "images");

            migrationBuilder.DropColumn(name: "owner_name", table: "images");

            migrationBuilder.DropColumn(name: "pinned", table: "images");

            migrationBuilder.DropColumn(name: "python", table: "images");

            migrationBuilder.DropColumn(name: "shared", table: "images");

            migrationBuilder.DropColumn(name: "workload_id", table: "images");
        }
    }
}
