using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class RoleImages : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "pinned_role_images",
                table: "workloads",
                type: "jsonb",
                nullable: false,
                defaultValueSql: "'{}'"
            );

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "not_before",
                table: "attempts",
                type: "timestamp with time zone",
                nullable: true
            );

            migrationBuilder.AddColumn<int>(
                name: "round",
                table: "attempts",
                type: "integer",
                nullable: false,
                defaultValue: 1
            );

            // Until now each round made one attempt of each replica
            migrationBuilder.Sql("update attempts set round = number where round <> number");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(name: "pinned_role_images", table: "workloads");

            migrationBuilder.DropColumn(name: "not_before", table: "attempts");

            migrationBuilder.DropColumn(name: "round", table: "attempts");
        }
    }
}
