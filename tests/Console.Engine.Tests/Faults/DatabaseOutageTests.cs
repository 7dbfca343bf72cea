using System.Net;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A database that goes away: the doors say so, jobs run on, and their ends are recorded afterwards.</summary>
public sealed class DatabaseOutageTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_its_database_the_console_answers_503_and_records_the_ends_afterwards()
    {
        await using var postgres = await PrivatePostgres.StartAsync(Ct);
        await using var console = await ConsoleProcess.CreateAsync(Ct, ("DEEPLAB_DB", postgres.ConnectionString));
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var (status, answer) = await console.PostAsync(
            "/api/v1/jobs",
            Body("for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 1; done"),
            Ct
        );
        Assert.Equal(HttpStatusCode.Created, status);
        var id = (long)answer!["id"]!;
        await UntilStateAsync(console, id, "Running");

        await postgres.DownAsync(Ct);
        using (var http = new HttpClient { BaseAddress = console.Address, Timeout = TimeSpan.FromSeconds(60) })
        {
            http.DefaultRequestHeaders.Authorization = console.Authorization;
            using var refused = await http.GetAsync($"/api/v1/jobs/{id}", Ct);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.NotNull(refused.Headers.RetryAfter);
            Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
            using var ready = await http.GetAsync("/health/ready", Ct);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
            using var live = await http.GetAsync("/health/live", Ct);
            Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        }
        // Long enough for the job to end while nobody can write it down, and for the lease of leadership to run out
        await Task.Delay(TimeSpan.FromSeconds(15), Ct);
        await postgres.UpAsync(Ct);

        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal("Succeeded", (string?)job["state"]);
        await UntilArchivedAsync(console, id);
        var log = await console.TextAsync($"/api/v1/jobs/{id}/logs", Ct);
        Assert.Equal(
            Enumerable.Range(1, 8).Select(i => $"line {i}"),
            log.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
        // And it takes work again
        (status, answer) = await console.PostAsync("/api/v1/jobs", Body("echo again"), Ct);
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync((long)answer!["id"]!, Ct))["state"]);
    }

    private static object Body(string script) =>
        new
        {
            name = "outage",
            image = "base",
            roles = new[]
            {
                new
                {
                    name = "worker",
                    command = new[] { "sh", "-c", script },
                    resources = new { cpus = 0.25, memory = "64MiB" },
                },
            },
        };

    private static async Task UntilStateAsync(ConsoleProcess console, long id, string state)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while ((string?)(await console.GetAsync($"/api/v1/jobs/{id}", patience.Token)).Body!["state"] != state)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }

    private static async Task UntilArchivedAsync(ConsoleProcess console, long id)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (
            (await console.GetAsync($"/api/v1/jobs/{id}", patience.Token)).Body!["replicas"]![0]!["attempts"]![0]![
                "logArchived"
            ]!.GetValue<bool>()
                is false
        )
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }
}
