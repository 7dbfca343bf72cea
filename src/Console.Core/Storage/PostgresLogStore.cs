using DeepLab.Core.Feeds;
using DeepLab.Core.Streams;
using Npgsql;
using NpgsqlTypes;

namespace DeepLab.Core.Storage;

/// <summary>Log blocks and cursors in PostgreSQL.</summary>
public sealed class PostgresLogStore(NpgsqlDataSource database) : ILogStore
{
    public async Task<LogCursor?> FindCursorAsync(long attemptId, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "select last_unix_nanos, same_stamp_count, lines, bytes, gaps, complete from log_cursors where attempt_id = $1"
        );
        command.Parameters.AddWithValue(attemptId);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new LogCursor(
                attemptId,
                reader.GetInt64(0),
                reader.GetInt32(1),
                reader.GetInt64(2),
                reader.GetInt64(3),
                reader.GetInt32(4),
                reader.GetBoolean(5)
            )
            : null;
    }

    public async Task<LogBlock?> FindLastBlockAsync(long attemptId, CancellationToken ct)
    {
        var blocks = await QueryAsync("where attempt_id = $1 order by first_line desc limit 1", ct, attemptId);
        return blocks.Count == 0 ? null : blocks[0];
    }

    public async Task AppendAsync(IReadOnlyList<LogBlock> blocks, LogCursor cursor, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var batch = new NpgsqlBatch(connection);
        // One batch outside a transaction is one implicit transaction. An archiver that was frozen while another went on from its
        // cursor takes nothing back: it has fewer lines, and they are the same. And it adds nothing to a log that the other completed:
        // the container is gone since, which it would tell as a gap
        foreach (var b in blocks)
        {
            batch.BatchCommands.Add(
                new NpgsqlBatchCommand(
                    """
                    insert into log_blocks (attempt_id, first_line, line_count, first_unix_nanos, last_unix_nanos, raw_bytes, data)
                    select $1, $2, $3, $4, $5, $6, $7
                    where not exists (select from log_cursors where attempt_id = $1 and complete)
                    on conflict (attempt_id, first_line) do update set
                      line_count = excluded.line_count, last_unix_nanos = excluded.last_unix_nanos,
                      raw_bytes = excluded.raw_bytes, data = excluded.data
                    where log_blocks.line_count <= excluded.line_count
                    """
                )
                {
                    Parameters =
                    {
                        new() { Value = b.AttemptId },
                        new() { Value = b.FirstLine },
                        new() { Value = b.LineCount },
                        new() { Value = b.FirstUnixNanos },
                        new() { Value = b.LastUnixNanos },
                        new() { Value = b.RawBytes },
                        new() { Value = b.Data },
                    },
                }
            );
        }
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand(
                """
                insert into log_cursors (attempt_id, last_unix_nanos, same_stamp_count, lines, bytes, gaps, complete)
                values ($1, $2, $3, $4, $5, $6, $7)
                on conflict (attempt_id) do update set
                  last_unix_nanos = excluded.last_unix_nanos, same_stamp_count = excluded.same_stamp_count,
                  lines = excluded.lines, bytes = excluded.bytes, gaps = excluded.gaps, complete = excluded.complete
                where log_cursors.lines <= excluded.lines and not log_cursors.complete
                """
            )
            {
                Parameters =
                {
                    new() { Value = cursor.AttemptId },
                    new() { Value = cursor.LastUnixNanos },
                    new() { Value = cursor.SameStampCount },
                    new() { Value = cursor.Lines },
                    new() { Value = cursor.Bytes },
                    new() { Value = cursor.Gaps },
                    new() { Value = cursor.Complete },
                },
            }
        );
        batch.BatchCommands.Add(
            new NpgsqlBatchCommand("select pg_notify($1, $2)")
            {
                Parameters =
                {
                    new() { Value = ChangeListener.Channel },
                    new() { Value = ChangeListener.Encode(new Change(ChangeKind.Log, cursor.AttemptId)) },
                },
            }
        );
        await batch.ExecuteNonQueryAsync(ct);
    }

    public Task<IReadOnlyList<LogBlock>> ReadAsync(long attemptId, long fromLine, int limit, CancellationToken ct) =>
        QueryAsync(
            """
            where attempt_id = $1 and first_line >= coalesce(
              (select max(first_line) from log_blocks where attempt_id = $1 and first_line <= $2), 0)
            order by first_line limit $3
            """,
            ct,
            attemptId,
            fromLine,
            limit
        );

    public async Task<long?> FindLineAtAsync(long attemptId, long unixNanos, CancellationToken ct)
    {
        var blocks = await QueryAsync(
            "where attempt_id = $1 and last_unix_nanos >= $2 order by first_line limit 1",
            ct,
            attemptId,
            unixNanos
        );
        if (blocks.Count == 0)
        {
            return null;
        }
        foreach (var line in LogBlocks.Decode(blocks[0]))
        {
            if (line.UnixNanos >= unixNanos)
            {
                return line.Number;
            }
        }
        return null;
    }

    private async Task<IReadOnlyList<LogBlock>> QueryAsync(string clause, CancellationToken ct, params object[] values)
    {
        await using var command = database.CreateCommand(
            "select attempt_id, first_line, line_count, first_unix_nanos, last_unix_nanos, raw_bytes, data from log_blocks "
                + clause
        );
        foreach (var v in values)
        {
            command.Parameters.Add(
                new NpgsqlParameter { Value = v, NpgsqlDbType = v is int ? NpgsqlDbType.Integer : NpgsqlDbType.Bigint }
            );
        }
        var blocks = new List<LogBlock>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            blocks.Add(
                new LogBlock(
                    reader.GetInt64(0),
                    reader.GetInt64(1),
                    reader.GetInt32(2),
                    reader.GetInt64(3),
                    reader.GetInt64(4),
                    reader.GetInt32(5),
                    reader.GetFieldValue<byte[]>(6)
                )
            );
        }
        return blocks;
    }
}
