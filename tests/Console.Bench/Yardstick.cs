using System.Diagnostics;
using System.Net.Sockets;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Bench;

/// <summary>
/// The engine without a console: the same driver, and containers made from the plan that the console would make, so that
/// both sides ask the engine for the same thing.
/// </summary>
internal sealed class BareEngine : IAsyncDisposable
{
    private readonly HttpClient _http;
    private int _made;

    private BareEngine()
    {
        Engine = new DockerEngine(
            new Uri(Setting.Engine),
            () => null,
            new EnginePolicy(),
            TimeProvider.System,
            NullLogger<DockerEngine>.Instance
        );
        _http = new HttpClient(
            new SocketsHttpHandler
            {
                UseProxy = false,
                ConnectCallback = async (_, ct) => new NetworkStream(await ConnectAsync(ct), ownsSocket: true),
            }
        )
        {
            BaseAddress = new Uri("http://engine"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>With a bridge like a console's own on a host, which its containers join.</summary>
    public static async Task<BareEngine> MakeAsync(CancellationToken ct)
    {
        var made = new BareEngine();
        await made.Engine.EnsureBridgeAsync(WallPlans.Network(made.InstallId), ct);
        return made;
    }

    public IContainerEngine Engine { get; }

    /// <summary>The label that tells these containers from a console's.</summary>
    public string InstallId { get; } = Guid.CreateVersion7().ToString("N")[^12..];

    public static async Task<Socket> ConnectAsync(CancellationToken ct)
    {
        var address = new Uri(Setting.Engine);
        BenchException.Require(address.Scheme == "unix", "benchmarks need an engine at a unix socket, on this machine");
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.AbsolutePath), ct);
        return socket;
    }

    /// <summary>The plan of the first replica, as the console makes it; only ids and names differ.</summary>
    public ContainerPlan Plan(JobSpec spec)
    {
        var number = ++_made;
        var workload = new Workload
        {
            Id = number,
            Name = spec.Name,
            OwnerName = "admin",
            SpecJson = "",
            SpecHash = new string('0', 64),
        };
        var replica = spec.Roles[0].Name + "-0";
        var attempt = new Attempt
        {
            Id = number,
            Number = 1,
            ReplicaName = replica,
            ContainerName = LaunchPlan.NameOf(InstallId, number, replica, 1),
        };
        return LaunchPlan.Make(InstallId, workload, spec, attempt, spec.Image, [], []);
    }

    public async Task<string> RunAsync(JobSpec spec, CancellationToken ct)
    {
        var id = await Engine.CreateAsync(Plan(spec), ct);
        await Engine.StartAsync(id, ct);
        return id;
    }

    /// <summary>Waits for the end of a container, and for exit code 0.</summary>
    public async Task EndedAsync(string id, CancellationToken ct)
    {
        using var answer = await _http.PostAsync($"/containers/{id}/wait", null, ct);
        var report = await Engine.InspectAsync(id, ct);
        BenchException.Require(
            report is { State: ContainerState.Exited, ExitCode: 0 },
            $"a bare container ended as {report?.State} with exit code {report?.ExitCode}"
        );
    }

    public async Task<string> TextAsync(string id, CancellationToken ct)
    {
        var text = new System.Text.StringBuilder();
        await foreach (var frame in Engine.LogsAsync(id, new Core.Engines.LogQuery(Follow: false), ct))
        {
            text.Append(System.Text.Encoding.UTF8.GetString(frame.Text.Span)).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>What `docker logs` asks for, read and thrown away as it comes: not even the frames are taken apart.</summary>
    public async Task<Reading> ReadLogAsync(string id, bool follow, CancellationToken ct)
    {
        using var answer = await _http.GetAsync(
            $"/containers/{id}/logs?stdout=1&stderr=1&follow={(follow ? 1 : 0)}",
            HttpCompletionOption.ResponseHeadersRead,
            ct
        );
        answer.EnsureSuccessStatusCode();
        return await Reading.OfAsync(await answer.Content.ReadAsStreamAsync(ct), ct);
    }

    /// <summary>Keeps a container's files as an image.</summary>
    public async Task CommitAsync(string id, string repository, string tag, CancellationToken ct)
    {
        using var body = new StringContent("{}", System.Text.Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync($"/commit?container={id}&repo={repository}&tag={tag}", body, ct);
        BenchException.Require(
            answer.IsSuccessStatusCode,
            $"the engine did not commit the probe's image: {answer.StatusCode}"
        );
    }

    public async Task RemoveImageAsync(string reference, CancellationToken ct)
    {
        // Answered 404 where it is gone already
        using var answer = await _http.DeleteAsync($"/images/{reference}", ct);
    }

    /// <summary>Removes every container of an installation, and its bridge.</summary>
    public async Task RemoveAllAsync(string installId, CancellationToken ct)
    {
        while (true)
        {
            foreach (var left in await Engine.ListAsync(installId, ct))
            {
                await Engine.RemoveAsync(left.Id, force: true, ct);
            }
            try
            {
                await Engine.RemoveNetworkAsync(WallRules.NetworkOf(installId), ct);
                return;
            }
            catch (EngineException e) when (e.Message.Contains("active endpoints", StringComparison.Ordinal))
            {
                // One that the console was removing when it ended holds on a little longer, and nothing tells when it lets go
                await Task.Delay(TimeSpan.FromMilliseconds(200), ct);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await RemoveAllAsync(InstallId, patience.Token);
        await Engine.DisposeAsync();
        _http.Dispose();
    }
}

/// <summary>A log that was read to its end.</summary>
/// <param name="Lines">newlines in it; the benchmarks' lines are of one length, whose frame headers hold no newline</param>
/// <param name="First">when its first bytes came, as a <see cref="Stopwatch"/> stamp</param>
/// <param name="Last">when its last bytes came</param>
internal sealed record Reading(long Lines, long First, long Last)
{
    public double LinesPerSecond => Lines / Stopwatch.GetElapsedTime(First, Last).TotalSeconds;

    public static async Task<Reading> OfAsync(Stream stream, CancellationToken ct)
    {
        var buffer = new byte[64 << 10];
        long lines = 0;
        long first = 0;
        long last = 0;
        int read;
        while ((read = await stream.ReadAsync(buffer, ct)) > 0)
        {
            last = Stopwatch.GetTimestamp();
            first = first == 0 ? last : first;
            lines += buffer.AsSpan(0, read).Count((byte)'\n');
        }
        return new Reading(lines, first, last);
    }
}
