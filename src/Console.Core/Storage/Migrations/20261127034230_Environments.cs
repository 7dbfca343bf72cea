using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class Environments : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "cull_at",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<bool>(
                name: "cull_warned",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<bool>(
                name: "home_discarded",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<Guid>(name: "home_host_id", table: "workloads", type: "uuid", nullable: true);

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "last_active_at",
                table: "workloads",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<string[]>(
                name: "ssh_keys",
                table: "users",
                type: "text[]",
                nullable: false,
                defaultValue: new string[0]
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "ready_at",
                table: "attempts",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_discarded_homes",
                table: "workloads",
                column: "home_host_id",
                filter: "home_discarded and home_host_id is not null"
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(name: "ix_workloads_discarded_homes", table: "workloads");

            migrationBuilder.DropColumn(name: "cull_at", table: "workloads");

            migrationBuilder.DropColumn(name: "cull_warned", table: "workloads");

            migrationBuilder.DropColumn(name: "home_discarded", table: "workloads");

            migrationBuilder.DropColumn(name: "home_host_id", table: "workloads");

            migrationBuilder.DropColumn(name: "last_active_at", table: "workloads");

            migrationBuilder.DropColumn(name: "ssh_keys", table: "users");

            migrationBuilder.DropColumn(name: "ready_at", table: "attempts");
        }
    }
}
