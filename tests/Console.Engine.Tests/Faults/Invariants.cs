using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>What must hold after every fault, read from the database and from the engine. Numbers are those of the trust document.</summary>
internal static class Invariants
{
    /// <summary>What must hold at every moment, in the middle of a recovery too.</summary>
    public static async Task AlwaysAsync(NpgsqlDataSource sql, IContainerEngine engine, CancellationToken ct)
    {
        var install = await ScalarAsync<string>(sql, "select install_id from installations", ct);
        var held = new HashSet<string>(StringComparer.Ordinal);
        foreach (var summary in await engine.ListAsync(install, ct))
        {
            if (!summary.Labels.TryGetValue(Labels.Attempt, out var attempt))
            {
                continue;
            }
            // 3: every container of ours is of one attempt that the database knows
            var id = long.Parse(attempt, CultureInfo.InvariantCulture);
            Assert.Equal(1L, await ScalarAsync<long>(sql, $"select count(*) from attempts where id = {id}", ct));
            var report = await engine.InspectAsync(summary.Id, ct);
            if (report is not { State: ContainerState.Running })
            {
                continue;
            }
            // 1: no device twice, and each container's devices are its leases
            Assert.All(report.GpuUuids, g => Assert.True(held.Add(g), $"{g} is in two running containers"));
            var leases = await ColumnAsync(
                sql,
                $"select gpu_uuid from leases where attempt_id = {id} and released_at is null",
                ct
            );
            Assert.Equal(leases.Order(), report.GpuUuids.Order());
        }
        // 1: one unreleased lease a device
        Assert.Equal(
            0L,
            await ScalarAsync<long>(
                sql,
                "select count(*) from (select gpu_uuid from leases where released_at is null group by 1 having count(*) > 1) d",
                ct
            )
        );
    }

    /// <summary>What must hold once everything has ended and been cleaned away.</summary>
    public static async Task AtRestAsync(
        NpgsqlDataSource sql,
        IContainerEngine engine,
        IReadOnlyCollection<long> acknowledged,
        CancellationToken ct
    )
    {
        await AlwaysAsync(sql, engine, ct);
        var install = await ScalarAsync<string>(sql, "select install_id from installations", ct);
        // 4: no orphan
        Assert.DoesNotContain(await engine.ListAsync(install, ct), c => c.Labels.ContainsKey(Labels.Attempt));
        // 2
        Assert.Equal(0L, await ScalarAsync<long>(sql, "select count(*) from leases where released_at is null", ct));
        // 5
        var known = await ColumnAsync(sql, "select id::text from workloads", ct);
        Assert.Empty(acknowledged.Select(id => id.ToString(CultureInfo.InvariantCulture)).Except(known));
        Assert.Equal(acknowledged.Count, known.Count);
        // 3: numbers run from 1 without a hole
        Assert.Equal(
            0L,
            await ScalarAsync<long>(
                sql,
                "select count(*) from (select replica_id from attempts group by 1 having max(number) <> count(*)) d",
                ct
            )
        );
        // 6: one end a job, one end an attempt, contiguous history
        Assert.Equal(0L, await CountBrokenAsync(sql, "ended", "workload_id", "workloads", ct));
        Assert.Equal(
            0L,
            await ScalarAsync<long>(
                sql,
                """
                select count(*) from attempts a where 1 <> (select count(*) from workload_events e
                  where e.workload_id = a.workload_id and e.replica = a.replica_name and e.attempt = a.number and e.kind = 'exited')
                """,
                ct
            )
        );
        Assert.Equal(
            0L,
            await ScalarAsync<long>(
                sql,
                "select count(*) from (select workload_id from workload_events group by 1 having max(seq) <> count(*)) d",
                ct
            )
        );
        // 8: a stop that was acknowledged before the end is no success
        Assert.Equal(
            0L,
            await ScalarAsync<long>(
                sql,
                """
                select count(*) from workloads w join attempts a on a.workload_id = w.id
                where w.state = 'Succeeded' and w.stop_requested_at < a.ended_at
                """,
                ct
            )
        );
        // Counters agree with what they count
        Assert.Equal(0L, await ScalarAsync<long>(sql, "select count(*) from workloads where gpus_held <> 0", ct));
    }

    private static Task<long> CountBrokenAsync(
        NpgsqlDataSource sql,
        string kind,
        string key,
        string table,
        CancellationToken ct
    ) =>
        ScalarAsync<long>(
            sql,
            $"select count(*) from {table} t where 1 <> (select count(*) from workload_events e where e.{key} = t.id and e.kind = '{kind}')",
            ct
        );

    public static async Task<T> ScalarAsync<T>(NpgsqlDataSource sql, string text, CancellationToken ct)
    {
        await using var command = sql.CreateCommand(text);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    public static async Task<List<string>> ColumnAsync(NpgsqlDataSource sql, string text, CancellationToken ct)
    {
        await using var command = sql.CreateCommand(text);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var values = new List<string>();
        while (await reader.ReadAsync(ct))
        {
            values.Add(reader.GetString(0));
        }
        return values;
    }

    public static bool IsEnd(string? state) => Enum.TryParse<WorkloadState>(state, out var s) && s.IsTerminal();
}
