using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace DeepLab.Core.Storage.Migrations
{
    /// <inheritdoc />
    public partial class History : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "gpu_models",
                table: "workloads",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<string[]>(
                name: "label_terms",
                table: "workloads",
                type: "text[]",
                nullable: false,
                defaultValueSql: "'{}'"
            );

            migrationBuilder.AddColumn<string>(
                name: "labels",
                table: "workloads",
                type: "jsonb",
                nullable: false,
                defaultValueSql: "'{}'"
            );

            migrationBuilder.AddColumn<string>(
                name: "notes",
                table: "workloads",
                type: "text",
                nullable: false,
                defaultValue: ""
            );

            migrationBuilder.AddColumn<bool>(
                name: "origin_exact",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<long>(name: "origin_id", table: "workloads", type: "bigint", nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "pinned",
                table: "workloads",
                type: "boolean",
                nullable: false,
                defaultValue: false
            );

            migrationBuilder.AddColumn<int>(
                name: "history_days",
                table: "installations",
                type: "integer",
                nullable: true
            );

            migrationBuilder.AddColumn<string>(name: "image_id", table: "attempts", type: "text", nullable: true);

            migrationBuilder.CreateTable(
                name: "saved_views",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    owner_id = table.Column<Guid>(type: "uuid", nullable: false),
                    owner_name = table.Column<string>(type: "text", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    query = table.Column<string>(type: "text", nullable: false),
                    team_id = table.Column<Guid>(type: "uuid", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_saved_views", x => x.id);
                }
            );

            migrationBuilder.CreateTable(
                name: "workload_texts",
                columns: table => new
                {
                    workload_id = table.Column<long>(type: "bigint", nullable: false),
                    image = table.Column<string>(type: "text", nullable: false),
                    command = table.Column<string>(type: "text", nullable: false),
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_workload_texts", x => x.workload_id);
                }
            );

            migrationBuilder.Sql(
                """
                insert into workload_texts (workload_id, image, command)
                select w.id, coalesce(w.spec_json ->> 'image', ''), left(coalesce((
                  select string_agg((
                    select coalesce(string_agg(c.value, ' ' order by c.ordinality), '')
                    from jsonb_array_elements_text(case jsonb_typeof(r.value -> 'command') when 'array' then r.value -> 'command' else '[]' end)
                      with ordinality c), ' ; ' order by r.ordinality)
                  from jsonb_array_elements(case jsonb_typeof(w.spec_json -> 'roles') when 'array' then w.spec_json -> 'roles' else '[]' end)
                    with ordinality r), ''), 4000)
                from workloads w;

                update workloads w set gpu_models = held.models
                from (
                  select l.workload_id, string_agg(distinct g.model, ', ' order by g.model) as models
                  from leases l join gpus g on g.uuid = l.gpu_uuid group by l.workload_id) held
                where held.workload_id = w.id;
                """
            );

            migrationBuilder
                .CreateIndex(name: "ix_workloads_host_names", table: "workloads", column: "host_names")
                .Annotation("Npgsql:IndexMethod", "gin")
                .Annotation("Npgsql:StorageParameter:fastupdate", false);

            migrationBuilder
                .CreateIndex(name: "ix_workloads_label_terms", table: "workloads", column: "label_terms")
                .Annotation("Npgsql:IndexMethod", "gin")
                .Annotation("Npgsql:StorageParameter:fastupdate", false);

            migrationBuilder.CreateIndex(
                name: "ix_workloads_origin_id",
                table: "workloads",
                column: "origin_id",
                filter: "origin_id is not null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_workloads_pinned",
                table: "workloads",
                column: "id",
                filter: "pinned"
            );

            migrationBuilder.CreateIndex(name: "ix_workloads_submitted_at", table: "workloads", column: "submitted_at");

            migrationBuilder.CreateIndex(
                name: "ix_workloads_team_name_id",
                table: "workloads",
                columns: new[] { "team_name", "id" },
                filter: "deleted_at is null"
            );

            migrationBuilder.CreateIndex(
                name: "ix_saved_views_owner_id_name",
                table: "saved_views",
                columns: new[] { "owner_id", "name" },
                unique: true
            );

            migrationBuilder.CreateIndex(name: "ix_saved_views_team_id", table: "saved_views", column: "team_id");

            migrationBuilder
                .CreateIndex(
                    name: "ix_workload_texts_image_command",
                    table: "workload_texts",
                    columns: new[] { "image", "command" }
                )
                .Annotation("Npgsql:IndexMethod", "gin")
                .Annotation("Npgsql:IndexOperators", new[] { "gin_trgm_ops", "gin_trgm_ops" })
                .Annotation("Npgsql:StorageParameter:fastupdate", false);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(name: "saved_views");

            migrationBuilder.DropTable(name: "workload_texts");

            migrationBuilder.DropIndex(name: "ix_workloads_host_names", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_label_terms", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_origin_id", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_pinned", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_submitted_at", table: "workloads");

            migrationBuilder.DropIndex(name: "ix_workloads_team_name_id", table: "workloads");

            migrationBuilder.DropColumn(name: "gpu_models", table: "workloads");

            migrationBuilder.DropColumn(name: "label_terms", table: "workloads");

            migrationBuilder.DropColumn(name: "labels", table: "workloads");

            migrationBuilder.DropColumn(name: "notes", table: "workloads");

            migrationBuilder.DropColumn(name: "origin_exact", table: "workloads");

            migrationBuilder.DropColumn(name: "origin_id", table: "workloads");

            migrationBuilder.DropColumn(name: "pinned", table: "workloads");

            migrationBuilder.DropColumn(name: "history_days", table: "installations");

            migrationBuilder.DropColumn(name: "image_id", table: "attempts");
        }
    }
}
