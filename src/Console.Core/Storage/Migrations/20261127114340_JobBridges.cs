using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class JobBridges : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<Guid>(name: "host_id", table: "job_networks", type: "uuid", nullable: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(name: "host_id", table: "job_networks");
        }
    }
}
