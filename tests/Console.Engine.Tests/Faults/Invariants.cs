using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// What must hold after every fault, read from the database and from the engine. Numbers are those of the trust document.
/// </summary>
internal static class Invariants
{
    /// <summary>$1: attempts that engines show containers of; $2: ids of jobs that were acknowledged.</summary>
    private const string AlwaysSql = """
        select '1: ' || gpu_uuid || ' is leased twice' from leases where released_at is null group by gpu_uuid having count(*) > 1
        union all
        select '2: job ' || id || ' is said to hold ' || gpus_held || ' GPUs' from workloads w
          where gpus_held <> (select count(*) from leases l where l.workload_id = w.id and l.released_at is null)
        union all
        select '3: a container is of attempt ' || id || ', which is not known' from unnest($1) id
          where not exists (select from attempts a where a.id = id.id)
        union all
        select '3: replica ' || replica_id || ' has two live attempts' from attempts
          where state in ('Leased', 'Creating', 'Running') group by replica_id having count(*) > 1
        union all
        -- But where rounds of an elastic job did without it
        select '3: the attempts of replica ' || a.replica_id || ' are not numbered from 1' from attempts a
          join workloads w on w.id = a.workload_id and w.round_replicas is null
          group by a.replica_id having max(a.number) <> count(*)
        union all
        select '5: job ' || id || ' is lost' from unnest($2) id where not exists (select from workloads w where w.id = id.id)
        union all
        select '6: job ' || w.id || ' is ' || w.state || ' and ended ' || count(e) || ' times' from workloads w
          left join workload_events e on e.workload_id = w.id and e.kind = 'ended'
          group by w.id having count(e) <> case when w.state in ('Succeeded', 'Failed', 'Stopped') then 1 else 0 end
        union all
        select '6: attempt ' || a.id || ' is ' || a.state || ' and ended ' || count(e) || ' times' from attempts a
          left join workload_events e
            on e.workload_id = a.workload_id and e.replica = a.replica_name and e.attempt = a.number and e.kind = 'exited'
          group by a.id having count(e) <> case when a.state in ('Exited', 'Lost') then 1 else 0 end
        union all
        select '6: the history of job ' || workload_id || ' has a hole' from workload_events
          group by workload_id having max(seq) <> count(*)
        union all
        select '7: job ' || w.id || ' succeeded, and ' || a.replica_name || ' did not' from workloads w
          join attempts a on a.workload_id = w.id and a.round = w.round
            and not exists (select from attempts b where b.replica_id = a.replica_id and b.number > a.number)
          where w.state = 'Succeeded' and (a.exit_code is distinct from 0 or a.started_at is null or a.reason <> 'Completed') and a.reason <> 'NoLongerNeeded'
        union all
        select '7: array ' || w.id || ' succeeded, and its replica ' || r.id || ' did not' from workloads w
          join replicas r on r.workload_id = w.id
          where w.state = 'Succeeded' and w.spec_json ->> 'topology' = 'array'
            and not exists (select from attempts a where a.replica_id = r.id and a.reason = 'Completed')
        union all
        select '7: ' || a.replica_name || ' of array ' || w.id || ' had succeeded, and was started again' from workloads w
          join attempts a on a.workload_id = w.id and a.reason = 'Completed'
          where w.spec_json ->> 'topology' = 'array'
            and exists (select from attempts b where b.replica_id = a.replica_id and b.number > a.number)
        union all
        select '8: job ' || w.id || ' succeeded, and was stopped before' from workloads w
          join attempts a on a.workload_id = w.id and a.round = w.round
          -- By a user: what the loop wants to queue again may end well before it is asked to
          where w.state = 'Succeeded' and w.desired = 'Stop' and w.stop_requested_at < a.ended_at
        """;

    /// <summary>What must not be left once everything has ended.</summary>
    private const string AtRestSql = """
        select '2: ' || gpu_uuid || ' is still leased to attempt ' || attempt_id from leases where released_at is null
        union all
        -- A plan reads the time before it reads what is free
        select '1: ' || a.gpu_uuid || ' was leased to attempts ' || a.attempt_id || ' and ' || b.attempt_id || ' at once' from leases a
          join leases b on b.gpu_uuid = a.gpu_uuid and b.id > a.id and b.leased_at + interval '1 second' < a.released_at
        union all
        select '4: attempt ' || id || ' is not cleaned away' from attempts where not container_removed
        union all
        select '13: job ' || id || ' is still ' || state || ': ' || message from workloads
          where state not in ('Succeeded', 'Failed', 'Stopped')
        """;

    /// <summary>Sentences about what does not hold and should at every moment, in the middle of a recovery too.</summary>
    /// <param name="attempts">that engines showed containers of, before this look at the database</param>
    /// <param name="acknowledged">ids of jobs</param>
    public static Task<List<string>> BrokenAsync(
        NpgsqlDataSource sql,
        IEnumerable<long> attempts,
        IEnumerable<long> acknowledged,
        CancellationToken ct
    ) => ColumnAsync(sql, AlwaysSql, ct, attempts.ToArray(), acknowledged.ToArray());

    /// <summary>As <see cref="BrokenAsync"/>, of what must be over once everything has ended and been cleaned away.</summary>
    public static Task<List<string>> LeftAsync(NpgsqlDataSource sql, CancellationToken ct) =>
        ColumnAsync(sql, AtRestSql, ct);

    /// <summary>What must hold at every moment, in the middle of a recovery too.</summary>
    public static Task AlwaysAsync(NpgsqlDataSource sql, IContainerEngine engine, CancellationToken ct) =>
        AlwaysAsync(sql, engine, [], ct);

    /// <summary>What must hold once everything has ended and been cleaned away.</summary>
    public static async Task AtRestAsync(
        NpgsqlDataSource sql,
        IContainerEngine engine,
        IReadOnlyCollection<long> acknowledged,
        CancellationToken ct
    )
    {
        await AlwaysAsync(sql, engine, acknowledged, ct);
        Assert.Empty(await LeftAsync(sql, ct));
        // 4: no orphan
        var install = await ScalarAsync<string>(sql, "select install_id from installations", ct);
        Assert.DoesNotContain(await engine.ListAsync(install, ct), c => c.Labels.ContainsKey(Labels.Attempt));
        // 5: and none that nobody asked for
        Assert.Equal(acknowledged.Count, await ScalarAsync<long>(sql, "select count(*) from workloads", ct));
    }

    private static async Task AlwaysAsync(
        NpgsqlDataSource sql,
        IContainerEngine engine,
        IReadOnlyCollection<long> acknowledged,
        CancellationToken ct
    )
    {
        var install = await ScalarAsync<string>(sql, "select install_id from installations", ct);
        var held = new HashSet<string>(StringComparer.Ordinal);
        var attempts = new List<long>();
        foreach (var summary in await engine.ListAsync(install, ct))
        {
            if (!summary.Labels.TryGetValue(Labels.Attempt, out var attempt))
            {
                continue;
            }
            var id = long.Parse(attempt, CultureInfo.InvariantCulture);
            attempts.Add(id);
            if (await engine.InspectAsync(summary.Id, ct) is not { State: ContainerState.Running } report)
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
        Assert.Empty(await BrokenAsync(sql, attempts, acknowledged, ct));
    }

    public static async Task<T> ScalarAsync<T>(NpgsqlDataSource sql, string text, CancellationToken ct)
    {
        await using var command = sql.CreateCommand(text);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    public static async Task<List<string>> ColumnAsync(
        NpgsqlDataSource sql,
        string text,
        CancellationToken ct,
        params object[] parameters
    )
    {
        await using var command = sql.CreateCommand(text);
        foreach (var value in parameters)
        {
            command.Parameters.AddWithValue(value);
        }
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
