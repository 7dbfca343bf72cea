using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Packed series in PostgreSQL.</summary>
public sealed class PostgresSeriesStore(NpgsqlDataSource database) : ISeriesStore
{
    private const string BlockColumns =
        "series_id, resolution, first_unix_millis, last_unix_millis, first_step, last_step, count, data";

    public async Task<IReadOnlyDictionary<SeriesKey, long>> EnsureAsync(
        IReadOnlyCollection<SeriesKey> keys,
        CancellationToken ct
    )
    {
        // The update that changes nothing makes `returning` answer the rows that were there
        await using var command = database.CreateCommand(
            """
            insert into series (owner, owner_id, name, source)
            select distinct * from unnest($1::int[], $2::text[], $3::text[], $4::text[])
            on conflict (owner, owner_id, name, source) do update set source = excluded.source
            returning id, owner, owner_id, name, source
            """
        );
        command.Parameters.AddWithValue(keys.Select(k => (int)k.Owner).ToArray());
        command.Parameters.AddWithValue(keys.Select(k => k.OwnerId).ToArray());
        command.Parameters.AddWithValue(keys.Select(k => k.Name).ToArray());
        command.Parameters.AddWithValue(keys.Select(k => k.Source).ToArray());
        var ids = new Dictionary<SeriesKey, long>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            ids[ReadKey(reader, 1)] = reader.GetInt64(0);
        }
        return ids;
    }

    public async Task<IReadOnlyList<SeriesInfo>> ListAsync(SeriesOwner owner, string ownerId, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            $"""
            select s.id, s.owner, s.owner_id, s.name, s.source,
              (select coalesce(sum(b.count), 0) from series_blocks b where b.series_id = s.id and b.resolution = 0),
              l.series_id, l.resolution, l.first_unix_millis, l.last_unix_millis, l.first_step, l.last_step, l.count, l.data
            from series s
            left join lateral (
              select {BlockColumns} from series_blocks b where b.series_id = s.id and b.resolution = 0
              order by first_unix_millis desc, first_step desc limit 1) l on true
            where s.owner = $1 and s.owner_id = $2
            order by s.name, s.source
            """
        );
        command.Parameters.AddWithValue((int)owner);
        command.Parameters.AddWithValue(ownerId);
        var series = new List<SeriesInfo>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            SeriesPoint? last = null;
            if (!await reader.IsDBNullAsync(6, ct))
            {
                last = SeriesBlocks.Unpack(ReadBlock(reader, 6))[^1];
            }
            series.Add(new SeriesInfo(reader.GetInt64(0), ReadKey(reader, 1), reader.GetInt64(5), last));
        }
        return series;
    }

    public async Task<IReadOnlyDictionary<long, SeriesBlock>> FindOpenBlocksAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    )
    {
        await using var command = database.CreateCommand(
            $"""
            -- Blocks of a series never overlap: the last by its first point is the last, and the primary key finds it
            select distinct on (series_id) {BlockColumns} from series_blocks
            where series_id = any($1) and resolution = 0
            order by series_id, resolution, first_unix_millis desc, first_step desc
            """
        );
        command.Parameters.AddWithValue(seriesIds.ToArray());
        var open = new Dictionary<long, SeriesBlock>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var block = ReadBlock(reader, 0);
            open[block.SeriesId] = block;
        }
        return open;
    }

    public Task WriteAsync(IReadOnlyCollection<SeriesBlock> blocks, CancellationToken ct) =>
        WriteAsync(blocks, null, ct);

    public Task WriteAsync(
        IReadOnlyCollection<SeriesBlock> blocks,
        long attemptId,
        string eventCursor,
        CancellationToken ct
    ) => WriteAsync(blocks, (attemptId, eventCursor), ct);

    public async Task<IReadOnlyList<SeriesBlock>> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        CancellationToken ct
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select {BlockColumns} from series_blocks
            where series_id = $1 and resolution = $2 and last_unix_millis >= $3 and first_unix_millis <= $4
            order by first_unix_millis, first_step
            """
        );
        command.Parameters.AddWithValue(seriesId);
        command.Parameters.AddWithValue(resolution);
        command.Parameters.AddWithValue(fromUnixMillis);
        command.Parameters.AddWithValue(toUnixMillis);
        var blocks = new List<SeriesBlock>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            blocks.Add(ReadBlock(reader, 0));
        }
        return blocks;
    }

    public async Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select cursor from event_file_cursors where attempt_id = $1");
        command.Parameters.AddWithValue(attemptId);
        return (string?)await command.ExecuteScalarAsync(ct);
    }

    private async Task WriteAsync(
        IReadOnlyCollection<SeriesBlock> blocks,
        (long AttemptId, string Cursor)? eventCursor,
        CancellationToken ct
    )
    {
        if (blocks.Count == 0 && eventCursor is null)
        {
            return;
        }
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        if (blocks.Count > 0)
        {
            var write = new NpgsqlBatchCommand(
                $"""
                insert into series_blocks ({BlockColumns})
                select * from unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::bytea[])
                on conflict (series_id, resolution, first_unix_millis, first_step) do update set
                  last_unix_millis = excluded.last_unix_millis, last_step = excluded.last_step,
                  count = excluded.count, data = excluded.data
                """
            );
            write.Parameters.Add(new() { Value = blocks.Select(b => b.SeriesId).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.Resolution).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.FirstUnixMillis).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.LastUnixMillis).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.FirstStep).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.LastStep).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.Count).ToArray() });
            write.Parameters.Add(new() { Value = blocks.Select(b => b.Data).ToArray() });
            batch.BatchCommands.Add(write);
        }
        if (eventCursor is { } c)
        {
            batch.BatchCommands.Add(
                new NpgsqlBatchCommand(
                    """
                    insert into event_file_cursors (attempt_id, cursor) values ($1, $2)
                    on conflict (attempt_id) do update set cursor = excluded.cursor
                    """
                )
                {
                    Parameters =
                    {
                        new() { Value = c.AttemptId },
                        new() { Value = c.Cursor },
                    },
                }
            );
        }
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("select pg_notify($1, $2)")
            {
                Parameters =
                {
                    new() { Value = ChangeListener.Channel },
                    new()
                    {
                        Value = ChangeListener.Encode(new Change(ChangeKind.Metrics, eventCursor?.AttemptId ?? 0)),
                    },
                },
            }
        );
        await batch.ExecuteNonQueryAsync(ct);
    }

    private static SeriesKey ReadKey(NpgsqlDataReader reader, int at) =>
        new(
            (SeriesOwner)reader.GetInt32(at),
            reader.GetString(at + 1),
            reader.GetString(at + 2),
            reader.GetString(at + 3)
        );

    private static SeriesBlock ReadBlock(NpgsqlDataReader reader, int at) =>
        new(
            reader.GetInt64(at),
            reader.GetInt32(at + 1),
            reader.GetInt64(at + 2),
            reader.GetInt64(at + 3),
            reader.GetInt64(at + 4),
            reader.GetInt64(at + 5),
            reader.GetInt32(at + 6),
            reader.GetFieldValue<byte[]>(at + 7)
        );
}
