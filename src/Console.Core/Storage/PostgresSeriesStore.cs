using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using Npgsql;
using NpgsqlTypes;

namespace DeepLab.Core.Storage;

/// <summary>Packed series in PostgreSQL. Rows of shelves are read before blocks: a point that is sealed in between is found twice, never missed.</summary>
public sealed class PostgresSeriesStore(NpgsqlDataSource database) : ISeriesStore
{
    private const string BlockColumns =
        "series_id, resolution, first_unix_millis, last_unix_millis, first_step, last_step, count, data, groups";

    /// <summary>"series" in letters of the alphabet, against other locks of the same database.</summary>
    private const long FoldLock = 0x7365_7269_6573;

    /// <summary>For `$1`, an array of ids, every series on them, and the last block of each resolution it has.</summary>
    private const string EndsOfShelves = $"""
        select s.id, b.* from series s left join lateral (
          (select {BlockColumns} from series_blocks where series_id = s.id and resolution = 0
            order by first_unix_millis desc, first_step desc limit 1)
          union all
          (select {BlockColumns} from series_blocks where series_id = s.id and resolution = 10
            order by first_unix_millis desc, first_step desc limit 1)
          union all
          (select {BlockColumns} from series_blocks where series_id = s.id and resolution = 300
            order by first_unix_millis desc, first_step desc limit 1)
        ) b on true
        where s.id = any($1)
        """;

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
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            Command(
                """
                select shelf, data from series_rows
                where shelf in (select id >> 3 from series where owner = $1 and owner_id = $2)
                order by shelf, id
                """,
                (int)owner,
                ownerId
            )
        );
        batch.BatchCommands.Add(
            Command(
                $"""
                select s.id, s.owner, s.owner_id, s.name, s.source,
                  (select coalesce(sum(b.count), 0) from series_blocks b where b.series_id = s.id and b.resolution = 0),
                  l.*
                from series s
                left join lateral (
                  select {BlockColumns} from series_blocks b where b.series_id = s.id and b.resolution = 0
                  order by first_unix_millis desc, first_step desc limit 1) l on true
                where s.owner = $1 and s.owner_id = $2
                order by s.name, s.source
                """,
                (int)owner,
                ownerId
            )
        );
        await batch.PrepareAsync(ct);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var rows = await ReadRowsAsync(reader, ct);
        await reader.NextResultAsync(ct);
        var found = new List<(long Id, SeriesKey Key, long Points, SeriesBlock? Last)>();
        while (await reader.ReadAsync(ct))
        {
            var block = await reader.IsDBNullAsync(6, ct) ? null : ReadBlock(reader, 6);
            found.Add((reader.GetInt64(0), ReadKey(reader, 1), reader.GetInt64(5), block));
        }
        var last = found.Where(f => f.Last is not null).ToDictionary(f => (f.Id, 0), f => f.Last!);
        var open = SeriesShelf.Read(rows, last);
        var series = new List<SeriesInfo>();
        foreach (var (id, key, points, block) in found)
        {
            var behind = open.GetValueOrDefault((id, 0), []);
            SeriesPoint? newest =
                behind.Count > 0 ? behind[^1]
                : block is not null ? SeriesBlocks.Unpack(block)[^1]
                : null;
            series.Add(new SeriesInfo(id, key, points + behind.Count, newest));
        }
        return series;
    }

    public async Task<IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesOpen>> FindEndsAsync(
        IReadOnlyCollection<long> seriesIds,
        CancellationToken ct
    )
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            Command(
                "select shelf, data from series_rows where shelf = any($1) order by shelf, id",
                seriesIds.Select(SeriesShelf.Of).Distinct().ToArray()
            )
        );
        batch.BatchCommands.Add(Command(EndsOfShelves, seriesIds.ToArray()));
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var rows = await ReadRowsAsync(reader, ct);
        await reader.NextResultAsync(ct);
        var (last, alive) = await ReadEndsAsync(reader, ct);
        var open = SeriesShelf.Read(rows, last);
        return open
            .Keys.Union(last.Keys)
            .Where(k => alive.Contains(k.SeriesId))
            .ToDictionary(k => k, k => new SeriesOpen(last.GetValueOrDefault(k), open.GetValueOrDefault(k, [])));
    }

    public Task<IReadOnlyDictionary<long, long>> WriteAsync(SeriesWrite write, CancellationToken ct) =>
        WriteAsync(write, null, ct);

    public Task<IReadOnlyDictionary<long, long>> WriteAsync(
        SeriesWrite write,
        long attemptId,
        string eventCursor,
        CancellationToken ct
    ) => WriteAsync(write, (attemptId, eventCursor), ct);

    public async Task<SeriesRead> ReadAsync(
        long seriesId,
        int resolution,
        long fromUnixMillis,
        long toUnixMillis,
        SeriesDetail detail,
        int mostBlocks,
        CancellationToken ct
    )
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(
            Command("select shelf, data from series_rows where shelf = $1 order by id", SeriesShelf.Of(seriesId))
        );
        var data = detail == SeriesDetail.Groups ? "case when groups is null then data else ''::bytea end" : "data";
        var groups = detail == SeriesDetail.Groups ? "groups" : "null::bytea";
        batch.BatchCommands.Add(
            Command(
                $"""
                select series_id, resolution, first_unix_millis, last_unix_millis, first_step, last_step, count, {data}, {groups}
                from series_blocks
                where series_id = $1 and resolution = $2 and last_unix_millis >= $3 and first_unix_millis <= $4
                order by first_unix_millis, first_step limit $5
                """,
                seriesId,
                resolution,
                fromUnixMillis,
                toUnixMillis,
                mostBlocks
            )
        );
        await batch.PrepareAsync(ct);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var rows = await ReadRowsAsync(reader, ct);
        await reader.NextResultAsync(ct);
        var blocks = await ReadBlocksAsync(reader, ct);
        if (blocks.Count >= mostBlocks)
        {
            return new SeriesRead(blocks, []);
        }
        // A point of the range that was sealed is in a block of the range
        var sealedUntil = blocks.Count > 0 ? blocks[^1].LastUnixMillis : long.MinValue;
        return new SeriesRead(blocks, SeriesShelf.Read(rows, seriesId, resolution, sealedUntil));
    }

    public async Task<IReadOnlyList<SeriesBlock>> ReadBlocksAsync(
        long seriesId,
        IReadOnlyCollection<long> firstUnixMillis,
        CancellationToken ct
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select {BlockColumns} from series_blocks
            where series_id = $1 and resolution = 0 and first_unix_millis = any($2)
            order by first_unix_millis, first_step
            """
        );
        command.Parameters.Add(new() { Value = seriesId });
        command.Parameters.Add(new() { Value = firstUnixMillis.ToArray() });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await ReadBlocksAsync(reader, ct);
    }

    public async Task<IReadOnlyCollection<long>> FindQuietShelvesAsync(TimeSpan age, int limit, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "select shelf from series_rows group by shelf having max(written_at) < now() - $1 order by shelf limit $2"
        );
        command.Parameters.Add(new() { Value = age });
        command.Parameters.Add(new() { Value = limit });
        var shelves = new List<long>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            shelves.Add(reader.GetInt64(0));
        }
        return shelves;
    }

    public async Task FoldAsync(IReadOnlyCollection<long> shelves, bool settle, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // One at a time, whichever console: two that saw different rows of a series would each write its last block without
        // the other's points
        await using (var alone = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection, transaction))
        {
            alone.Parameters.Add(new() { Value = FoldLock });
            await alone.ExecuteNonQueryAsync(ct);
        }
        var rows = new List<ShelfRow>();
        await using (
            var command = new NpgsqlCommand(
                "select id, shelf, data from series_rows where shelf = any($1) order by shelf, id for update",
                connection,
                transaction
            )
        )
        {
            command.Parameters.Add(new() { Value = shelves.ToArray() });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                rows.Add(new ShelfRow(reader.GetInt64(1), reader.GetFieldValue<byte[]>(2), reader.GetInt64(0)));
            }
        }
        if (rows.Count == 0)
        {
            return;
        }
        Dictionary<(long SeriesId, int Resolution), SeriesBlock> last;
        HashSet<long> alive;
        await using (var command = new NpgsqlCommand(EndsOfShelves, connection, transaction))
        {
            command.Parameters.Add(new() { Value = shelves.SelectMany(SeriesShelf.Ids).ToArray() });
            await using var reader = await command.ExecuteReaderAsync(ct);
            (last, alive) = await ReadEndsAsync(reader, ct);
        }
        var fold = SeriesFold.Fold(rows, last, alive, settle);
        await using var batch = new NpgsqlBatch(connection, transaction);
        AddWrites(batch, fold);
        await batch.ExecuteNonQueryAsync(ct);
        await transaction.CommitAsync(ct);
    }

    public async Task<string?> FindEventCursorAsync(long attemptId, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select cursor from event_file_cursors where attempt_id = $1");
        command.Parameters.AddWithValue(attemptId);
        return (string?)await command.ExecuteScalarAsync(ct);
    }

    private async Task<IReadOnlyDictionary<long, long>> WriteAsync(
        SeriesWrite write,
        (long AttemptId, string Cursor)? eventCursor,
        CancellationToken ct
    )
    {
        var ids = new Dictionary<long, long>();
        if (write.Blocks.Count + write.Rows.Count == 0 && eventCursor is null)
        {
            return ids;
        }
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        AddWrites(batch, write);
        if (eventCursor is { } c)
        {
            batch.BatchCommands.Add(
                Command(
                    """
                    insert into event_file_cursors (attempt_id, cursor) values ($1, $2)
                    on conflict (attempt_id) do update set cursor = excluded.cursor
                    """,
                    c.AttemptId,
                    c.Cursor
                )
            );
        }
        batch.BatchCommands.Add(
            Command(
                "select pg_notify($1, $2)",
                ChangeListener.Channel,
                ChangeListener.Encode(new Change(ChangeKind.Metrics, eventCursor?.AttemptId ?? 0))
            )
        );
        await batch.PrepareAsync(ct);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        // The first that answers anything is the insert of rows, where there is one
        while (write.Rows.Count > 0 && await reader.ReadAsync(ct))
        {
            ids[reader.GetInt64(0)] = reader.GetInt64(1);
        }
        // An error of a later statement is thrown here
        while (await reader.NextResultAsync(ct)) { }
        return ids;
    }

    private static void AddWrites(NpgsqlBatch batch, SeriesWrite write)
    {
        if (write.Rows.Count > 0)
        {
            batch.BatchCommands.Add(
                Command(
                    "insert into series_rows (shelf, data) select * from unnest($1::bigint[], $2::bytea[]) returning shelf, id",
                    write.Rows.Select(r => r.Shelf).ToArray(),
                    write.Rows.Select(r => r.Data).ToArray()
                )
            );
        }
        if (write.Obsolete.Count > 0)
        {
            batch.BatchCommands.Add(
                Command(
                    "delete from series_rows where shelf = any($1) and id = any($2)",
                    write.Obsolete.Select(o => o.Shelf).Distinct().ToArray(),
                    write.Obsolete.Select(o => o.Id).ToArray()
                )
            );
        }
        if (write.Blocks.Count > 0)
        {
            var blocks = write.Blocks;
            var command = Command(
                $"""
                insert into series_blocks ({BlockColumns})
                select * from unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[],
                  $8::bytea[], $9::bytea[])
                on conflict (series_id, resolution, first_unix_millis, first_step) do update set
                  last_unix_millis = excluded.last_unix_millis, last_step = excluded.last_step,
                  count = excluded.count, data = excluded.data, groups = excluded.groups
                -- Who settles beside a writer may come late, with less of the same block
                where series_blocks.count <= excluded.count
                """,
                blocks.Select(b => b.SeriesId).ToArray(),
                blocks.Select(b => b.Resolution).ToArray(),
                blocks.Select(b => b.FirstUnixMillis).ToArray(),
                blocks.Select(b => b.LastUnixMillis).ToArray(),
                blocks.Select(b => b.FirstStep).ToArray(),
                blocks.Select(b => b.LastStep).ToArray(),
                blocks.Select(b => b.Count).ToArray(),
                blocks.Select(b => b.Data).ToArray()
            );
            command.Parameters.Add(
                new()
                {
                    Value = blocks.Select(b => b.Groups).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea,
                }
            );
            batch.BatchCommands.Add(command);
        }
    }

    private static NpgsqlBatchCommand Command(string text, params object[] values)
    {
        var command = new NpgsqlBatchCommand(text);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }
        return command;
    }

    private static async Task<List<ShelfRow>> ReadRowsAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        var rows = new List<ShelfRow>();
        while (await reader.ReadAsync(ct))
        {
            rows.Add(new ShelfRow(reader.GetInt64(0), reader.GetFieldValue<byte[]>(1)));
        }
        return rows;
    }

    private static async Task<List<SeriesBlock>> ReadBlocksAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        var blocks = new List<SeriesBlock>();
        while (await reader.ReadAsync(ct))
        {
            blocks.Add(ReadBlock(reader, 0));
        }
        return blocks;
    }

    private static async Task<(
        Dictionary<(long SeriesId, int Resolution), SeriesBlock> Last,
        HashSet<long> Alive
    )> ReadEndsAsync(NpgsqlDataReader reader, CancellationToken ct)
    {
        var last = new Dictionary<(long SeriesId, int Resolution), SeriesBlock>();
        var alive = new HashSet<long>();
        while (await reader.ReadAsync(ct))
        {
            alive.Add(reader.GetInt64(0));
            if (!await reader.IsDBNullAsync(1, ct))
            {
                var block = ReadBlock(reader, 1);
                last[(block.SeriesId, block.Resolution)] = block;
            }
        }
        return (last, alive);
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
            reader.GetFieldValue<byte[]>(at + 7),
            reader.IsDBNull(at + 8) ? null : reader.GetFieldValue<byte[]>(at + 8)
        );
}
