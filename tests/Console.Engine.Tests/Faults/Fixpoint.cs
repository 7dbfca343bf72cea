using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>When nothing changes, another look of the loop writes nothing.</summary>
internal static class Fixpoint
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits until all is told that went before, then for full lists of the one host, and asserts that meanwhile no row was written.</summary>
    public static async Task AssertAsync(ConsoleHarness console, CancellationToken ct, int lists = 2)
    {
        await UntilListedAsync(console, 1, ct);
        var before = await RowsAsync(console, ct);
        await UntilListedAsync(console, lists, ct);
        var after = await RowsAsync(console, ct);
        Assert.Equal(before.Except(after), after.Except(before));
    }

    /// <summary>Each full list of a host ends with a note of its time; passes of the queue come twice as often.</summary>
    public static async Task UntilListedAsync(ConsoleHarness console, int times, CancellationToken ct)
    {
        for (var lists = 0; lists < times; lists++)
        {
            var seen = await LastSeenAsync(console, ct);
            await console.UntilAsync(async _ => await LastSeenAsync(console, ct) > seen, s_patience, ct);
        }
    }

    private static async Task<DateTimeOffset?> LastSeenAsync(ConsoleHarness console, CancellationToken ct)
    {
        await using var db = await console.DbAsync(ct);
        return await db.Hosts.Select(h => h.LastSeenAt).SingleAsync(ct);
    }

    /// <summary>Each version of a row, with its content: a row that is written again is another one, even with the same content.</summary>
    private static async Task<IReadOnlyList<string>> RowsAsync(ConsoleHarness console, CancellationToken ct)
    {
        string[] tables =
        [
            "workloads",
            "replicas",
            "attempts",
            "leases",
            "workload_events",
            "audit",
            "teams",
            "job_networks",
        ];
        var parts = tables
            .Select(t => $"select '{t} ' || xmin || ctid || ' ' || to_jsonb({t}) from {t}")
            // The console's and the probe's own clocks move on; what they say of a host and a GPU must not
            .Append("select concat_ws(' ', 'host', name, state, state_message) from hosts")
            .Append("select concat_ws(' ', 'GPU', uuid, health, health_message) from gpus");
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        return await Invariants.ColumnAsync(sql, string.Join(" union all ", parts), ct);
    }
}
