using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class Endpoints : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "endpoints",
                columns: table => new
                {
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityByDefaultColumn
                        ),
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    attempt_id = table.Column<long>(type: "bigint", nullable: false),
                    host_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    kind = table.Column<string>(type: "text", nullable: false),
                    container_port = table.Column<int>(type: "integer", nullable: false),
                    address = table.Column<string>(type: "text", nullable: false),
                    port = table.Column<int>(type: "integer", nullable: false),
                    leased_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    released_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_endpoints", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "workload_secrets",
                columns: table => new
                {
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    @sealed = table.Column<string>(name: "sealed", type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_workload_secrets", x => new { x.workload_id, x.name });
                }
            );

            migrationBuilder.CreateIndex(name: "ix_endpoints_attempt_id", table: "endpoints", column: "attempt_id");

            migrationBuilder.CreateIndex(
                name: "ix_endpoints_exclusive",
                table: "endpoints",
                columns: new[] { "host_id", "port" },
                unique: true,
                filter: "released_at is null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_endpoints_workload_id_name",
                table: "endpoints",
                columns: new[] { "workload_id", "name" }
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "endpoints");

            migrationBuilder.DropTable(name: "workload_secrets");
        }
    }
}
