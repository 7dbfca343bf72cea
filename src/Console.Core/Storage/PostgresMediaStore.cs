using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Media of runs in PostgreSQL.</summary>
public sealed class PostgresMediaStore(NpgsqlDataSource database) : IMediaStore
{
    private const int MostHalvings = 6;

    public async Task WriteAsync(long workloadId, IReadOnlyCollection<MediaItem> items, CancellationToken ct)
    {
        // One statement writes a key once only: the last stands
        var last = items.GroupBy(i => (i.Kind, i.Tag, i.Source, i.Step)).Select(g => g.Last()).ToArray();
        await using (
            var write = database.CreateCommand(
                """
                insert into run_media (workload_id, kind, tag, source, step, unix_millis, data)
                select $1, * from unnest($2::int[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[])
                on conflict (workload_id, kind, tag, source, step) do update set
                  unix_millis = excluded.unix_millis, data = excluded.data
                """
            )
        )
        {
            write.Parameters.Add(new() { Value = workloadId });
            write.Parameters.Add(new() { Value = last.Select(i => (int)i.Kind).ToArray() });
            write.Parameters.Add(new() { Value = last.Select(i => i.Tag).ToArray() });
            write.Parameters.Add(new() { Value = last.Select(i => i.Source).ToArray() });
            write.Parameters.Add(new() { Value = last.Select(i => i.Step).ToArray() });
            write.Parameters.Add(new() { Value = last.Select(i => i.UnixMillis).ToArray() });
            write.Parameters.Add(new() { Value = last.Select(i => i.Data).ToArray() });
            await write.ExecuteNonQueryAsync(ct);
        }
        await HalveAsync(workloadId, ct);
        await BoundAsync(workloadId, ct);
        await using var tell = database.CreateCommand("select pg_notify($1, $2)");
        tell.Parameters.Add(new() { Value = ChangeListener.Channel });
        tell.Parameters.Add(new() { Value = ChangeListener.Encode(new Change(ChangeKind.Media, workloadId)) });
        await tell.ExecuteNonQueryAsync(ct);
    }

    public async Task<IReadOnlyList<MediaInfo>> ListAsync(long workloadId, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            """
            select kind, tag, source, array_agg(step order by step), sum(octet_length(data))::bigint from run_media
            where workload_id = $1 group by kind, tag, source order by kind, tag, source
            """
        );
        command.Parameters.Add(new() { Value = workloadId });
        var found = new List<MediaInfo>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            found.Add(
                new MediaInfo(
                    (MediaKind)reader.GetInt32(0),
                    reader.GetString(1),
                    reader.GetString(2),
                    reader.GetFieldValue<long[]>(3),
                    reader.GetInt64(4)
                )
            );
        }
        return found;
    }

    public async Task<IReadOnlyList<MediaItem>> ReadAsync(
        long workloadId,
        MediaKind kind,
        string tag,
        string source,
        long? step,
        CancellationToken ct
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select step, unix_millis, data from run_media
            where workload_id = $1 and kind = $2 and tag = $3 and source = $4 {(step is null ? "" : "and step = $5")}
            order by step
            """
        );
        command.Parameters.Add(new() { Value = workloadId });
        command.Parameters.Add(new() { Value = (int)kind });
        command.Parameters.Add(new() { Value = tag });
        command.Parameters.Add(new() { Value = source });
        if (step is { } one)
        {
            command.Parameters.Add(new() { Value = one });
        }
        var found = new List<MediaItem>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            found.Add(
                new MediaItem(
                    kind,
                    tag,
                    source,
                    reader.GetInt64(0),
                    reader.GetInt64(1),
                    reader.GetFieldValue<byte[]>(2)
                )
            );
        }
        return found;
    }

    /// <summary>Of what has more steps than are kept, every other one goes.</summary>
    private async Task HalveAsync(long workloadId, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            """
            delete from run_media m using (
              select kind, tag, source, step, row_number() over w n, count(*) over (partition by kind, tag, source) c
              from run_media where workload_id = $1 window w as (partition by kind, tag, source order by step desc)) r
            where m.workload_id = $1 and m.kind = r.kind and m.tag = r.tag and m.source = r.source and m.step = r.step
              and r.n % 2 = 0 and r.c > case r.kind when 1 then $2 else $3 end
            """
        );
        command.Parameters.Add(new() { Value = workloadId });
        command.Parameters.Add(new() { Value = RunMedia.MostHistograms });
        command.Parameters.Add(new() { Value = RunMedia.MostOthers });
        // Many steps may have come at once
        while (await command.ExecuteNonQueryAsync(ct) > 0) { }
    }

    /// <summary>Within the bytes of a kind: every other step of all its names goes while it has more, then the oldest.</summary>
    private async Task BoundAsync(long workloadId, CancellationToken ct)
    {
        for (var round = 0; round <= MostHalvings; round++)
        {
            await using var sum = database.CreateCommand(
                """
                select kind from run_media where workload_id = $1 group by kind
                having sum(octet_length(data)) > case kind when 2 then $2::bigint else $3::bigint end
                """
            );
            sum.Parameters.Add(new() { Value = workloadId });
            sum.Parameters.Add(new() { Value = RunMedia.MostImageBytes });
            sum.Parameters.Add(new() { Value = RunMedia.MostOtherBytes });
            var over = new List<int>();
            await using (var reader = await sum.ExecuteReaderAsync(ct))
            {
                while (await reader.ReadAsync(ct))
                {
                    over.Add(reader.GetInt32(0));
                }
            }
            if (over.Count == 0)
            {
                return;
            }
            await using var drop = database.CreateCommand(
                $"""
                delete from run_media m using (
                  select kind, tag, source, step, row_number() over (partition by kind, tag, source order by step desc) n,
                    sum(octet_length(data)) over (partition by kind order by unix_millis desc, step desc, tag, source) s
                  from run_media where workload_id = $1 and kind = any($2)) r
                where m.workload_id = $1 and m.kind = r.kind and m.tag = r.tag and m.source = r.source and m.step = r.step
                  and {(
                    round < MostHalvings
                        ? "r.n % 2 = 0"
                        : "r.s > case r.kind when 2 then $3::bigint else $4::bigint end"
                )}
                """
            );
            drop.Parameters.Add(new() { Value = workloadId });
            drop.Parameters.Add(new() { Value = over.ToArray() });
            if (round == MostHalvings)
            {
                drop.Parameters.Add(new() { Value = RunMedia.MostImageBytes });
                drop.Parameters.Add(new() { Value = RunMedia.MostOtherBytes });
            }
            await drop.ExecuteNonQueryAsync(ct);
        }
    }
}
