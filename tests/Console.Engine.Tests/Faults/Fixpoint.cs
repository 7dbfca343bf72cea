using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>When nothing changes, another look of the loop writes nothing.</summary>
internal static class Fixpoint
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits for full lists of the one host, and asserts that meanwhile no row was written.</summary>
    public static async Task AssertAsync(ConsoleHarness console, CancellationToken ct, int lists = 2)
    {
        var before = await FingerprintAsync(console, ct);
        await UntilListedAsync(console, lists, ct);
        Assert.Equal(before, await FingerprintAsync(console, ct));
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

    /// <summary>Which row versions there are: a row that is written again has another one, even with the same content.</summary>
    private static async Task<string> FingerprintAsync(ConsoleHarness console, CancellationToken ct)
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
            .Select(t =>
                $"select '{t}: ' || coalesce(string_agg(xmin::text || ctid::text, ',' order by ctid), '') from {t}"
            )
            // The probe's own clock moves on; what it says of a GPU must not
            .Append("select 'gpus: ' || string_agg(uuid || health || health_message, ',' order by uuid) from gpus");
        await using var sql = NpgsqlDataSource.Create(console.Options.Database);
        var found = new List<string>();
        foreach (var part in parts)
        {
            await using var command = sql.CreateCommand(part);
            found.Add((string)(await command.ExecuteScalarAsync(ct))!);
        }
        return string.Join(Environment.NewLine, found);
    }
}
