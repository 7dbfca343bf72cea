using System.Net;
using DeepLab.Core.Engines;
using DeepLab.Engine.Tests.Engines;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// The database is put back to an older copy, which does not know what was started since: that runs on, its GPUs are given to nobody,
/// and an admin decides.
/// </summary>
public sealed class RestoredDatabaseTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_an_older_copy_does_not_know_runs_on_and_keeps_its_gpus_until_an_admin_evicts_it()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await using var engine = TestEngine.Make(new EnginePolicy());
        var name = new NpgsqlConnectionStringBuilder(console.Database).Database!;
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        await console.UntilSqlAsync("count(*) = 4 from gpus where health = 'Healthy'", "four GPUs", Ct);
        var waiting = await SubmitHeldAsync(console);
        await console.KillAsync(Ct);
        await CopyAsync(name, name + "_old");
        console.Sql.Clear();
        try
        {
            await console.StartAsync(Ct);
            var body = ConsoleJobs.Body("echo started; sleep 600", gpus: 2);
            var lost = await console.SubmitAsync(body, Ct);
            await console.UntilRunsAsync(lost, Ct);
            var container = await ContainerAsync(console, lost);
            var held = (await engine.InspectAsync(container, Ct))!.GpuUuids;
            await console.KillAsync(Ct);
            await DropAsync(name);
            await CopyAsync(name + "_old", name);
            console.Sql.Clear();

            // The queue of the older copy goes on before anybody has looked at the engine
            await using (var command = console.Sql.CreateCommand("update workloads set held = false"))
            {
                await command.ExecuteNonQueryAsync(Ct);
            }
            await console.StartAsync(Ct);
            Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(waiting, Ct))["state"]);
            var taken = await Invariants.ColumnAsync(
                console.Sql,
                $"select gpu_uuid from leases where workload_id = {waiting}",
                Ct
            );
            Assert.Equal(2, taken.Count);
            Assert.Empty(taken.Intersect(held));
            await console.UntilSqlAsync(
                "count(*) = 2 from gpus where health = 'Leaked' and health_message like '%holds no lease%'",
                "its two GPUs are told as leaked",
                Ct
            );
            await AssertToldAsync(console, held);
            // The very same job again: it gets an id, a container and GPUs of its own
            var again = await console.SubmitAsync(body, Ct);
            await console.UntilRunsAsync(again, Ct);
            Assert.NotEqual(lost, again);
            var second = await ContainerAsync(console, again);
            Assert.NotEqual(container, second);
            Assert.Empty((await engine.InspectAsync(second, Ct))!.GpuUuids.Intersect(held));
            // Nothing is left for a third, which says so
            var third = await console.SubmitAsync(ConsoleJobs.Body("true", gpus: 1), Ct);
            await console.UntilSqlAsync($"waits <> '[]' from workloads where id = {third}", "the third waits", Ct);
            // The end of the second takes nothing of the lost one with it
            await console.PostAsync($"/api/v1/jobs/{again}/stop", null, Ct);
            await console.UntilRestAsync(Ct);
            Assert.Equal(ContainerState.Running, (await engine.InspectAsync(container, Ct))!.State);

            foreach (var gpu in held)
            {
                var (status, answer) = await console.PostAsync($"/api/v1/gpus/{gpu}/evict", null, Ct);
                Assert.True((int)status is >= 200 and < 300, $"{status}: {answer}");
            }
            await console.UntilSqlAsync("count(*) = 4 from gpus where health = 'Healthy'", "four GPUs again", Ct);
            Assert.Null(await engine.InspectAsync(container, Ct));
            var all = await console.SubmitAsync(ConsoleJobs.Body("true", gpus: 4), Ct);
            Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(all, Ct))["state"]);
        }
        finally
        {
            await DropAsync(name + "_old");
        }
    }

    /// <summary>A job for 2 GPUs that an admin has held back since it waited for others.</summary>
    private static async Task<long> SubmitHeldAsync(ConsoleProcess console)
    {
        var ahead = await console.SubmitAsync(ConsoleJobs.Body("sleep 600", gpus: 4), Ct);
        await console.UntilRunsAsync(ahead, Ct);
        var held = await console.SubmitAsync(ConsoleJobs.Body("true", gpus: 2), Ct);
        await console.PostAsync($"/api/v1/jobs/{held}/hold", null, Ct);
        await console.PostAsync($"/api/v1/jobs/{ahead}/stop", null, Ct);
        await console.WaitForEndAsync(ahead, Ct);
        return held;
    }

    private static async Task AssertToldAsync(ConsoleProcess console, IReadOnlyList<string> held)
    {
        var (status, gpus) = await console.GetAsync("/api/v1/gpus", Ct);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(
            held.Order(),
            gpus!["items"]!
                .AsArray()
                .Where(g => (string?)g!["health"] == "Leaked")
                .Select(g => (string)g!["uuid"]!)
                .Order()
        );
    }

    private static Task<string> ContainerAsync(ConsoleProcess console, long job) =>
        Invariants.ScalarAsync<string>(
            console.Sql,
            $"select container_id from attempts where workload_id = {job} order by id desc limit 1",
            Ct
        );

    private static Task CopyAsync(string from, string to) =>
        AdminAsync(
            $"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}' and usename = current_user",
            $"create database {to} template {from}"
        );

    private static Task DropAsync(string name) => TestDatabases.DropAsync(ConsoleHarness.AdminDatabase, name, Ct);

    private static async Task AdminAsync(params string[] statements)
    {
        await using var admin = NpgsqlDataSource.Create(ConsoleHarness.AdminDatabase);
        foreach (var statement in statements)
        {
            await using var command = admin.CreateCommand(statement);
            await command.ExecuteNonQueryAsync(Ct);
        }
    }
}
