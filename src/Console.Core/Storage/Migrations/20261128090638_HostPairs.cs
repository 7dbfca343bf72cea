using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class HostPairs : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "host_pairs",
                columns: table => new
                {
                    first_id = table.Column<Guid>(type: "uuid", nullable: false),
                    second_id = table.Column<Guid>(type: "uuid", nullable: false),
                    cluster_id = table.Column<Guid>(type: "uuid", nullable: false),
                    measured_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    megabytes_per_second = table.Column<double>(type: "double precision", nullable: false),
                    milliseconds = table.Column<double>(type: "double precision", nullable: false),
                    speeds = table.Column<double[]>(type: "double precision[]", nullable: false),
                    delays = table.Column<double[]>(type: "double precision[]", nullable: false),
                    joined_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    slow = table.Column<string>(type: "text", nullable: false),
                    tried_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    unmeasured = table.Column<string>(type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_host_pairs", x => new { x.first_id, x.second_id });
                    table.ForeignKey(
                        name: "fk_host_pairs_hosts_first_id",
                        column: x => x.first_id,
                        principalTable: "hosts",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade
                    );
                    table.ForeignKey(
                        name: "fk_host_pairs_hosts_second_id",
                        column: x => x.second_id,
                        principalTable: "hosts",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade
                    );
                }
            );

            migrationBuilder.CreateIndex(
                name: "ix_host_pairs_cluster_id_measured_at",
                table: "host_pairs",
                columns: new[] { "cluster_id", "measured_at" }
            );

            migrationBuilder.CreateIndex(name: "ix_host_pairs_second_id", table: "host_pairs", column: "second_id");

            migrationBuilder.CreateIndex(
                name: "ix_host_pairs_slow",
                table: "host_pairs",
                column: "cluster_id",
                filter: "slow <> ''"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "host_pairs");
        }
    }
}
