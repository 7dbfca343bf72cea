using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using DeepLab.Core.Workloads;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Streams of events that are cut, refused or silent: list and inspect tell what they did not.</summary>
public sealed class EventFaultTests
{
    private const int MissedEvents = 500;

    /// <summary>A full list is made every ten seconds; the rest is the list itself and one step of a driver.</summary>
    private static readonly TimeSpan s_resync = TimeSpan.FromSeconds(12);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ends_that_a_broken_stream_of_events_missed_are_found_when_it_is_back()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        var ends = await RunningAsync(console);
        var stays = await RunningAsync(console);

        proxy.On("GET", "/events", Fate.Answer, status: HttpStatusCode.ServiceUnavailable);
        Assert.Equal(1, proxy.Cut("/events"));
        await MissAsync(console, ends);
        proxy.Heal();

        await AssertResyncAsync(console, ends, Stopwatch.GetTimestamp());
        await Fixpoint.AssertAsync(console, Ct, lists: 1);
        Assert.Equal(AttemptState.Running, (await console.AttemptAsync(stays, Ct)).State);
    }

    [Fact]
    public async Task Ends_that_a_silent_stream_of_events_does_not_tell_are_found_by_the_next_list()
    {
        await using var proxy = EngineProxy.Start(ConsoleHarness.Engine);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = proxy.Address });
        var ends = await RunningAsync(console);

        Assert.Equal(1, proxy.Silence("/events"));
        await MissAsync(console, ends);
        await AssertResyncAsync(console, ends, Stopwatch.GetTimestamp());
        // What comes while nothing is told runs its whole way too
        var comes = await console.SubmitAsync(Specs.Shell("echo hello"), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(comes, s_resync, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);

        proxy.Heal();
        await Fixpoint.AssertAsync(console, Ct, lists: 1);
    }

    private static async Task<long> RunningAsync(ConsoleHarness console)
    {
        var id = await console.SubmitAsync(Specs.Shell("trap '' CONT; sleep 600"), Ct);
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        return id;
    }

    /// <summary>Hundreds of things happen to a container, and then its end.</summary>
    private static async Task MissAsync(ConsoleHarness console, long id)
    {
        var name = (await console.AttemptAsync(id, Ct)).ContainerName;
        using var engine = new HttpClient(
            new SocketsHttpHandler
            {
                ConnectCallback = async (_, ct) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    var path = new Uri(ConsoleHarness.Engine).LocalPath;
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), ct);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            }
        );
        foreach (var signal in Enumerable.Repeat("CONT", MissedEvents).Append("KILL"))
        {
            using var answer = await engine.PostAsync(
                $"http://engine/containers/{name}/kill?signal={signal}",
                null,
                Ct
            );
            answer.EnsureSuccessStatusCode();
        }
    }

    private static async Task AssertResyncAsync(ConsoleHarness console, long id, long from)
    {
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal((WorkloadState.Failed, Reason.KilledBySignal), (job.Row.State, job.Row.Reason));
        Assert.InRange(Stopwatch.GetElapsedTime(from), TimeSpan.Zero, s_resync);
        await console.UntilAsync(
            async _ => (await console.AttemptAsync(id, Ct)).ContainerRemoved,
            TimeSpan.FromSeconds(30),
            Ct
        );
    }
}
