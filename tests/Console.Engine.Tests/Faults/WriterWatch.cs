using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Watches in the database itself who writes the rows that only a leader may write. Each console's connections carry a name of
/// its own; a row that is written by a console which does not hold the lease is kept as evidence.
/// </summary>
internal sealed class WriterWatch(NpgsqlDataSource sql)
{
    /// <param name="consoles">the name of each console's connections, and its identity as a holder of the lease</param>
    public async Task BeginAsync(CancellationToken ct, params (string Name, string Identity)[] consoles)
    {
        var names = string.Join(", ", consoles.Select(c => $"('{c.Name}', '{c.Identity}')"));
        await using var command = sql.CreateCommand(
            $"""
            create table watched_consoles (name text primary key, identity text not null);
            insert into watched_consoles values {names};
            create table late_writes (relation text, operation text, name text, holder text, at timestamptz default clock_timestamp());
            create function watch_writer() returns trigger language plpgsql as $$
            declare leads text := (select holder from leadership where id = 1);
            begin
              if exists (select from watched_consoles where name = current_setting('application_name') and identity <> leads) then
                insert into late_writes (relation, operation, name, holder) values (tg_table_name, tg_op, current_setting('application_name'), leads);
              end if;
              return null;
            end $$;
            create trigger watch after insert or update or delete on attempts for each row execute function watch_writer();
            create trigger watch after insert or update or delete on leases for each row execute function watch_writer();
            create trigger watch after insert or update or delete on hosts for each row execute function watch_writer();
            create trigger watch after insert or update or delete on gpus for each row execute function watch_writer();
            create trigger watch after insert or update or delete on engine_outages for each row execute function watch_writer();
            """
        );
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task AssertNoLateWriteAsync(CancellationToken ct) =>
        Assert.Empty(
            await Invariants.ColumnAsync(
                sql,
                "select relation || ' ' || operation || ' by ' || name || ' while ' || holder || ' leads' from late_writes",
                ct
            )
        );
}
