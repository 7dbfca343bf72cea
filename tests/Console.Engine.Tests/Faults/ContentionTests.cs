using System.Collections.Concurrent;
using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Engine.Tests.Engines;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Fifty callers at once submit, stop, move and edit quotas, while the database refuses transactions as it does under contention
/// (serialization failures and deadlocks). Each is answered, nothing is lost, and no quota is exceeded.
/// </summary>
public sealed class ContentionTests(ITestOutputHelper output)
{
    private const int Callers = 50;
    private const int CallsEach = 6;
    private const int MostGpus = 2;

    /// <summary>Of the jobs, the rest is stopped: each costs a container.</summary>
    private const int LeftToRun = 8;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Fifty_callers_at_once_are_all_answered_and_quotas_hold()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await using var engine = TestEngine.Make(new EnginePolicy());
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        await console.UntilSqlAsync("count(*) >= 4 from gpus where health = 'Healthy'", "four GPUs", Ct);
        await QuotaAsync(console, 1);
        await InterfereAsync(console);

        var jobs = new ConcurrentBag<long>();
        var answers = new ConcurrentBag<(string Call, HttpStatusCode Status)>();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => CallAsync(console, i, jobs, answers)));
        output.WriteLine(
            string.Join(
                Environment.NewLine,
                answers.GroupBy(a => $"{a.Call} {a.Status}").OrderBy(g => g.Key).Select(g => $"{g.Key}: {g.Count()}")
            )
        );
        Assert.All(answers, a => Assert.True((int)a.Status is >= 200 and < 429, $"{a.Call} answered {a.Status}"));
        Assert.Equal(Callers, jobs.Count);

        foreach (var id in jobs.Order().Skip(LeftToRun))
        {
            Assert.Equal(
                HttpStatusCode.Accepted,
                (await console.PostAsync($"/api/v1/jobs/{id}/stop", null, Ct)).Status
            );
        }
        foreach (var id in jobs)
        {
            var (status, _) = await console.PostAsync($"/api/v1/jobs/{id}/release", null, Ct);
            Assert.True(status is HttpStatusCode.NoContent or HttpStatusCode.Conflict, $"{status}");
        }
        await QuotaAsync(console, MostGpus);
        await console.UntilRestAsync(Ct);
        await Invariants.AtRestAsync(console.Sql, engine, [.. jobs], Ct);
        var refused = await Invariants.ScalarAsync<long>(console.Sql, "select last_value from interference", Ct);
        output.WriteLine($"{refused} transactions were refused");
        Assert.True(refused > 20, "the database refused next to nothing");
        Assert.Equal(0L, await Invariants.ScalarAsync<long>(console.Sql, "select count(*) from over_quota", Ct));
    }

    private static async Task CallAsync(
        ConsoleProcess console,
        int caller,
        ConcurrentBag<long> jobs,
        ConcurrentBag<(string, HttpStatusCode)> answers
    )
    {
        var random = new Random(caller);
        var (made, job) = await console.PostAsync("/api/v1/jobs", ConsoleJobs.Body("true", gpus: 1), Ct, $"c-{caller}");
        answers.Add(("submit", made));
        jobs.Add((long)job!["id"]!);
        for (var i = 0; i < CallsEach; i++)
        {
            var ids = jobs.ToArray();
            var id = ids[random.Next(ids.Length)];
            var (call, method, path, body) = random.Next(8) switch
            {
                0 => ("stop", HttpMethod.Post, $"jobs/{id}/stop", (object?)null),
                1 => ("front", HttpMethod.Post, $"jobs/{id}/front", null),
                2 => ("own place", HttpMethod.Post, $"jobs/{id}/own-place", null),
                3 => ("hold", HttpMethod.Post, $"jobs/{id}/hold", null),
                4 => ("release", HttpMethod.Post, $"jobs/{id}/release", null),
                5 => ("priority", HttpMethod.Post, $"jobs/{id}/priority", new { priority = random.Next(101) }),
                6 => ("team quota", HttpMethod.Patch, "teams/everyone", Quota(random.Next(1, MostGpus + 1))),
                _ => (
                    "user quota",
                    HttpMethod.Patch,
                    "users/admin",
                    new { quota = new { running = random.Next(3, 9) } }
                ),
            };
            answers.Add((call, (await console.SendAsync(method, "/api/v1/" + path, body, Ct)).Status));
        }
    }

    /// <summary>
    /// Every seventh transaction that writes history is refused as a serialization failure and every seventh as a deadlock, whoever
    /// runs it; and a lease above the most that any quota ever allowed is kept as evidence.
    /// </summary>
    private static async Task InterfereAsync(ConsoleProcess console)
    {
        await using var command = console.Sql.CreateCommand(
            $"""
            create sequence interference;
            create function interfere() returns trigger language plpgsql as $$
            declare turn bigint := txid_current() % 7;
            begin
              if turn in (2, 5) then
                -- The one thing here that a rollback does not take back
                perform nextval('interference');
                if turn = 2 then raise exception 'another transaction was first' using errcode = '40001'; end if;
                raise exception 'two waited for each other' using errcode = '40P01';
              end if;
              return new;
            end $$;
            create trigger interfere before insert on workload_events for each row execute function interfere();
            create table over_quota (held bigint);
            create function watch_quota() returns trigger language plpgsql as $$
            declare held bigint := (select count(*) from leases where released_at is null);
            begin
              if held > {MostGpus} then insert into over_quota values (held); end if;
              return null;
            end $$;
            create trigger watch_quota after insert on leases for each row execute function watch_quota();
            """
        );
        await command.ExecuteNonQueryAsync(Ct);
    }

    private static async Task QuotaAsync(ConsoleProcess console, int gpus)
    {
        var (status, answer) = await console.SendAsync(HttpMethod.Patch, "/api/v1/teams/everyone", Quota(gpus), Ct);
        Assert.True(status == HttpStatusCode.NoContent || status == HttpStatusCode.OK, $"{status}: {answer}");
    }

    private static object Quota(int gpus) => new { quota = new { gpus } };
}
