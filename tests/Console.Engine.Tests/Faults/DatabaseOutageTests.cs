using System.Net;
using System.Security.Cryptography;

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

    [Fact]
    public async Task A_database_whose_disk_is_full_refuses_a_job_whole_and_loses_none()
    {
        await using var postgres = await PrivatePostgres.StartAsync(Ct, megabytes: 160);
        await using var console = await ConsoleProcess.CreateAsync(Ct, ("DEEPLAB_DB", postgres.ConnectionString));
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var running = await console.SubmitAsync(
            ConsoleJobs.Body("trap 'echo told; exit 0' TERM; echo up; sleep 600 & wait"),
            Ct
        );
        await UntilStateAsync(console, running, "Running");

        await postgres.FillDiskAsync(Ct);
        // What does not compress finds no room in the pages there are
        var body = new
        {
            name = "large",
            image = "base",
            script = $"#!/bin/sh\n# {Convert.ToBase64String(RandomNumberGenerator.GetBytes(150_000))}\ntrue\n",
            roles = new[] { new { name = "worker", resources = new { cpus = 0.25, memory = "64MiB" } } },
        };
        var (status, answer) = await console.PostAsync("/api/v1/jobs", body, Ct);
        Assert.True(status == HttpStatusCode.ServiceUnavailable, $"{status}: {answer}");
        // It serves, and knows of no second job
        (status, answer) = await console.GetAsync("/api/v1/jobs", Ct);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(running, (long)Assert.Single(answer!["items"]!.AsArray())!["id"]!);

        postgres.MakeRoom();
        var large = await console.SubmitAsync(body, Ct);
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(large, Ct))["state"]);
        Assert.Equal("Running", (string?)(await console.GetAsync($"/api/v1/jobs/{running}", Ct)).Body!["state"]);
        await console.PostAsync($"/api/v1/jobs/{running}/stop", null, Ct);
        Assert.Equal("Stopped", (string?)(await console.WaitForEndAsync(running, Ct))["state"]);
        await UntilArchivedAsync(console, running);
        Assert.Equal("up\ntold\n", await console.TextAsync($"/api/v1/jobs/{running}/logs", Ct));
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
