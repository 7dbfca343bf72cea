using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class SeriesShelves : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<byte[]>(name: "groups", table: "series_blocks", type: "bytea", nullable: true);

            migrationBuilder.CreateTable(
                name: "series_rows",
                columns: table => new
                {
                    shelf = table.Column<long>(type: "bigint", nullable: false),
                    id = table
                        .Column<long>(type: "bigint", nullable: false)
                        .Annotation(
                            "Npgsql:ValueGenerationStrategy",
                            NpgsqlValueGenerationStrategy.IdentityAlwaysColumn
                        ),
                    written_at = table.Column<DateTimeOffset>(
                        type: "timestamp with time zone",
                        nullable: false,
                        defaultValueSql: "now()"
                    ),
                    data = table.Column<byte[]>(type: "bytea", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_series_rows", x => new { x.shelf, x.id });
                }
            );

            migrationBuilder.Sql(
                """
                -- Packed bytes do not get smaller by compressing them again
                alter table series_blocks alter column data set storage external;
                alter table series_blocks alter column groups set storage external;
                alter table series_rows alter column data set storage external;
                -- Rows live for minutes: they stay within their page, and their space is used again soon
                alter table series_rows set (toast_tuple_target = 8160,
                  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
                  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 2000);
                """
            );
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "series_rows");

            migrationBuilder.DropColumn(name: "groups", table: "series_blocks");
        }
    }
}
