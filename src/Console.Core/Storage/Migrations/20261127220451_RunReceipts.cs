using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class RunReceipts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "run_metrics",
                columns: table => new
                {
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    least = table.Column<double>(type: "double precision", nullable: false),
                    greatest = table.Column<double>(type: "double precision", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_run_metrics", x => new { x.workload_id, x.name });
                }
            );

            migrationBuilder.CreateTable(
                name: "run_receipts",
                columns: table => new
                {
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    kept_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    receipt = table.Column<string>(type: "jsonb", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_run_receipts", x => x.workload_id);
                }
            );

            migrationBuilder.CreateIndex(name: "ix_run_metrics_name", table: "run_metrics", column: "name");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "run_metrics");

            migrationBuilder.DropTable(name: "run_receipts");
        }
    }
}
