using System.Net;
using System.Net.Sockets;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Files and processes that run out: of the console, of an engine, and of a job. Each says so, goes on, and recovers.</summary>
public sealed class LimitTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_few_files_and_many_idle_connections_the_console_answers_503_and_recovers()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        console.LimitFiles(768);
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var id = await console.SubmitAsync(ConsoleJobs.Body("sleep 3; echo done"), Ct);
        await console.UntilRunsAsync(id, Ct);
        var files = () => Directory.GetFiles($"/proc/{console.ProcessId}/fd").Length;
        output.WriteLine($"{files()} files before");

        var idle = new List<Socket>();
        try
        {
            for (var i = 0; i < 300; i++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                idle.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, console.Address.Port, Ct);
            }
            // Another caller, on a connection of its own
            var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => CallAsync(console)));
            output.WriteLine($"{files()} files meanwhile; {string.Join(", ", answers.Select(a => a.StatusCode))}");
            Assert.All(
                answers,
                a =>
                {
                    Assert.Equal(HttpStatusCode.ServiceUnavailable, a.StatusCode);
                    Assert.NotNull(a.Headers.RetryAfter);
                }
            );
            // Who has a connection is served, and the loop works on
            Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync(id, Ct))["state"]);
        }
        finally
        {
            idle.ForEach(s => s.Dispose());
        }
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(10));
        while ((await CallAsync(console)).StatusCode != HttpStatusCode.OK)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), patience.Token);
        }
        Assert.False(console.HasExited, console.Tail());
    }

    [Fact]
    public async Task A_fork_bomb_stays_in_its_container()
    {
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            services: s => s.AddSingleton(new EnginePolicy { PidsLimit = 32 })
        );
        var bomb = await console.SubmitAsync(Specs.Shell("bomb() { bomb | bomb & }; bomb; sleep 3; exit 7"), Ct);
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == bomb && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        var neighbour = await console.SubmitAsync(Specs.Shell("echo $(echo hello)"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(neighbour, Ct)).Row.State);
        Assert.Equal(WorkloadState.Failed, (await console.WaitForEndAsync(bomb, Ct)).Row.State);
        var after = await console.SubmitAsync(Specs.Shell("true"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(after, Ct)).Row.State);
        await using var db = await console.DbAsync(Ct);
        Assert.Equal(HostState.Ready, (await db.Hosts.AsNoTracking().SingleAsync(Ct)).State);
    }

    [Fact]
    public async Task An_engine_out_of_files_is_told_and_its_jobs_go_on_when_it_has_some_again()
    {
        await using var host = await LabHost.UpAsync(0, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        var id = await console.SubmitAsync(Specs.Shell("echo begin; sleep 15; echo end"), Ct);
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        // Fewer than it has open: it can open no more
        var before = await host.LimitFilesAsync(16, Ct);
        var refused = await console.SubmitAsync(Specs.Shell("true"), Ct);
        await console.UntilAsync(
            async db =>
                await db.Hosts.AnyAsync(h => h.State == HostState.Unreachable && h.StateMessage != "", Ct)
                || await db.Workloads.AnyAsync(
                    w =>
                        w.Id == refused && w.State == WorkloadState.Failed && w.Message.Contains("too many open files"),
                    Ct
                ),
            s_patience,
            Ct
        );
        await using (var db = await console.DbAsync(Ct))
        {
            var told = await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == refused, Ct);
            output.WriteLine(
                $"{(await db.Hosts.AsNoTracking().SingleAsync(Ct)).StateMessage}; {told.State}: {told.Message}"
            );
        }
        await host.LimitFilesAsync(before, Ct);
        await console.UntilAsync(db => db.Hosts.AllAsync(h => h.State == HostState.Ready, Ct), s_patience, Ct);
        var job = await console.WaitForEndAsync(id, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0), (job.Row.State, job.Restarts));
        var after = await console.SubmitAsync(Specs.Shell("true"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(after, Ct)).Row.State);
    }

    private static async Task<HttpResponseMessage> CallAsync(ConsoleProcess console)
    {
        using var http = new HttpClient { BaseAddress = console.Address, Timeout = s_patience };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/jobs");
        request.Headers.Authorization = console.Authorization;
        return await http.SendAsync(request, Ct);
    }
}
