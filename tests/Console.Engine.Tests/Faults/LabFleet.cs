using DeepLab.Core.Clusters;

[assembly: AssemblyFixture(typeof(DeepLab.Engine.Tests.Faults.LabFleet))]

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Three simulated hosts of two GPUs each, with mutual TLS and in one Swarm, whose first is the manager. They come up once,
/// for whichever test asks first; whoever breaks one mends it.
/// </summary>
public sealed class LabFleet : IAsyncDisposable
{
    private const int Count = 3;
    private const int GpusEach = 2;

    /// <summary>Networks across hosts that its Swarm has addresses for, so that a test can use them up; the Swarm's own is one of them.</summary>
    public const int Networks = 32;
    private const string NetworkPool = "10.90.0.0/22";
    private const string NetworkPrefix = "27";
    private readonly Lazy<Task> _up;
    private readonly string _folder;

    public LabFleet()
    {
        // Short: a socket's path holds 107 bytes
        _folder = Path.Combine(Path.GetTempPath(), $"dlf-{Environment.ProcessId}");
        Hosts = [.. Enumerable.Range(1, Count).Select(i => new FleetHost(_folder, $"f{Environment.ProcessId}-{i}"))];
        _up = new Lazy<Task>(UpAsync);
    }

    public IReadOnlyList<FleetHost> Hosts { get; }

    /// <summary>What opens every one of them.</summary>
    public EngineCredentials Credentials => new(Pem("ca"), Pem("cert"), Pem("key"));

    /// <summary>Returns when all three answer and are nodes of the Swarm.</summary>
    public Task ReadyAsync(CancellationToken ct) => _up.Value.WaitAsync(ct);

    public async ValueTask DisposeAsync()
    {
        if (!_up.IsValueCreated)
        {
            return;
        }
        await _up.Value.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await FleetHost.LabAsync(_folder, CancellationToken.None, "down", "all", "--purge");
        Directory.Delete(_folder, recursive: true);
    }

    private async Task UpAsync()
    {
        Directory.CreateDirectory(_folder);
        await Task.WhenAll(Hosts.Select(h => h.UpAsync(GpusEach)));
        await FleetHost.LabAsync(
            _folder,
            CancellationToken.None,
            ["swarm", "--pool", NetworkPool, NetworkPrefix, .. Hosts.Select(h => h.Name)]
        );
    }

    private string Pem(string name) => File.ReadAllText(Path.Combine(Hosts[0].TlsFolder, name + ".pem"));
}

/// <summary>One of the fleet: its name is its hostname too.</summary>
public sealed class FleetHost
{
    private static readonly string s_hosts =
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB")
        ?? throw new InvalidOperationException("DEEPLAB_TEST_LAB is not set; run the tests with ./lab test.");
    private readonly string _folder;

    internal FleetHost(string folder, string name) => (_folder, Name) = (folder, name);

    public string Name { get; }

    /// <summary>`tcp://ip:port`, once it is up.</summary>
    public string Address { get; private set; } = "";

    /// <summary>The way for tests to look at its engine, cut off or not.</summary>
    public string Socket => $"unix://{_folder}/{Name}/docker.sock";

    /// <summary>ca.pem, cert.pem and key.pem of a client.</summary>
    public string TlsFolder => Path.Combine(_folder, "tls");

    /// <summary>The cable is pulled: what runs goes on, and nobody hears of it.</summary>
    public Task CutAsync(CancellationToken ct) => DoAsync("cut", ct);

    public Task HealAsync(CancellationToken ct) => DoAsync("heal", ct);

    /// <summary>What it sends to another goes at this rate, such as `20mbit`; null = as fast as it can again.</summary>
    public Task SlowAsync(string? rate, FleetHost to, CancellationToken ct) =>
        DoAsync("slow", ct, rate is null ? [] : [rate, new Uri(to.Address).Host]);

    /// <summary>SIGTERM to the engine: it stops its containers first.</summary>
    public Task StopAsync(CancellationToken ct) => DoAsync("stop", ct);

    public Task StartAsync(CancellationToken ct) => DoAsync("start", ct);

    /// <summary>SIGKILL to the engine: its containers run on.</summary>
    public Task KillAsync(CancellationToken ct) => DoAsync("kill", ct);

    public Task PauseAsync(CancellationToken ct) => DoAsync("pause", ct);

    public Task ResumeAsync(CancellationToken ct) => DoAsync("resume", ct);

    /// <summary>Overrides readings of a GPU, as `ecc=3`; without any it is sound again.</summary>
    public Task FaultAsync(int gpu, CancellationToken ct, params string[] fields) =>
        DoAsync("fault", ct, [gpu.ToString(System.Globalization.CultureInfo.InvariantCulture), .. fields]);

    /// <summary>Runs `docker` against it and answers what it says.</summary>
    public Task<string> DockerAsync(CancellationToken ct, params string[] arguments) =>
        Shell.DockerAsync(Socket, ct, arguments);

    internal async Task UpAsync(int gpus)
    {
        var count = gpus.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await DoAsync("up", CancellationToken.None, count, "--tls");
        var variables = await DoAsync("env", CancellationToken.None, "--tcp");
        Address = variables.Split('\n').Single(l => l.StartsWith("DOCKER_HOST=", StringComparison.Ordinal))[12..];
        await LoadAsync("base");
    }

    /// <summary>Puts a starter image of the repository into it, where it lacks it.</summary>
    public Task LoadAsync(string image) => Shell.LoadImageAsync(image, Socket, CancellationToken.None);

    internal static Task<string> LabAsync(string folder, CancellationToken ct, params string[] arguments) =>
        Shell.RunAsync(s_hosts, [.. arguments, "--dir", folder], ct);

    private Task<string> DoAsync(string verb, CancellationToken ct, params string[] more) =>
        LabAsync(_folder, ct, [verb, Name, .. more]);
}
