using DeepLab.Core.Storage;
using Npgsql;

namespace DeepLab.Bench;

/// <summary>The database of a console, asked and filled from outside.</summary>
internal static class Sql
{
    public static async Task<T> ScalarAsync<T>(this NpgsqlDataSource database, string text, CancellationToken ct)
    {
        await using var command = database.CreateCommand(text);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    public static async Task ExecuteAsync(this NpgsqlDataSource database, string text, CancellationToken ct)
    {
        await using var command = database.CreateCommand(text);
        command.CommandTimeout = 600;
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>What the database promises when it answers a commit.</summary>
    public static async Task<string> DurabilityAsync(this NpgsqlDataSource database, CancellationToken ct)
    {
        var fsync = await database.ScalarAsync<string>("select current_setting('fsync')", ct);
        var commit = await database.ScalarAsync<string>("select current_setting('synchronous_commit')", ct);
        return $"PostgreSQL: fsync {fsync}, synchronous_commit {commit}";
    }

    /// <summary>
    /// Copies of a job with its replicas, as many as asked for, whatever columns they have. In the changes, `n` counts from 1.
    /// </summary>
    /// <param name="changes">SQL of a jsonb object with the columns that differ</param>
    public static async Task CopyJobAsync(
        this NpgsqlDataSource database,
        long id,
        int count,
        string changes,
        CancellationToken ct
    )
    {
        await database.ExecuteAsync(
            $"""
            with made as (
              insert into workloads
              select (jsonb_populate_record(w, {changes}
                || jsonb_build_object('id', nextval(pg_get_serial_sequence('workloads', 'id'))))).*
              from workloads w, generate_series(1, {count}) n
              where w.id = {id}
              returning id
            )
            insert into replicas
            select (jsonb_populate_record(r, jsonb_build_object(
              'id', nextval(pg_get_serial_sequence('replicas', 'id')), 'workload_id', made.id))).*
            from made, replicas r
            where r.workload_id = {id}
            """,
            ct
        );
        await database.ExecuteAsync("analyze", ct);
    }

    /// <summary>Tells the console that the queue changed, as a submission does.</summary>
    public static async Task TellQueueAsync(this NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select pg_notify($1, $2)");
        command.Parameters.AddWithValue(ChangeListener.Channel);
        command.Parameters.AddWithValue(ChangeListener.Encode(new Core.Feeds.Change(Core.Feeds.ChangeKind.Queue, 0)));
        await command.ExecuteNonQueryAsync(ct);
    }
}
