using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class HostNetworks : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<bool>(
                name: "host_network",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<bool>(
                name: "trusted",
                table: "clusters",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_host_network",
                table: "workloads",
                column: "cluster_id",
                filter: "host_network"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(name: "ix_workloads_host_network", table: "workloads");

            migrationBuilder.DropColumn(name: "host_network", table: "workloads");

            migrationBuilder.DropColumn(name: "trusted", table: "clusters");
        }
    }
}
