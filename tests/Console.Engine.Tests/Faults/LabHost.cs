namespace DeepLab.Engine.Tests.Faults;

/// <summary>A simulated host of its own for one test, whose engine the test may stop, kill and pause.</summary>
public sealed class LabHost : IAsyncDisposable
{
    private static readonly string s_hosts =
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB")
        ?? throw new InvalidOperationException("DEEPLAB_TEST_LAB is not set; run the tests with ./lab test.");

    private readonly string _name;
    private readonly string _folder;

    private LabHost(string name, string folder) => (_name, _folder) = (name, folder);

    public string Address => $"unix://{_folder}/{_name}/docker.sock";

    /// <param name="liveRestore">its containers run on without their engine</param>
    /// <param name="dataBytes">room for the engine's data; null = as the machine has</param>
    public static async Task<LabHost> UpAsync(
        int gpus,
        CancellationToken ct,
        bool liveRestore = false,
        long? dataBytes = null
    )
    {
        // Short: a socket's path holds 107 bytes
        var folder = Directory.CreateTempSubdirectory("dlh-").FullName;
        var host = new LabHost($"t{Environment.ProcessId}", folder);
        if (dataBytes is { } bytes)
        {
            // Taken away with the host's other mounts
            var data = Directory.CreateDirectory(Path.Combine(folder, host._name, "data")).FullName;
            await Shell.RunAsync("mount", ["-t", "tmpfs", "-o", $"size={bytes}", "tmpfs", data], ct);
        }
        await host.DoAsync(
            "up",
            ct,
            [
                gpus.ToString(System.Globalization.CultureInfo.InvariantCulture),
                .. liveRestore ? ["--live-restore"] : (string[])[],
            ]
        );
        await Shell.LoadImageAsync("base", host.Address, ct);
        return host;
    }

    /// <summary>SIGTERM to the engine: it stops its containers first.</summary>
    public Task StopAsync(CancellationToken ct) => DoAsync("stop", ct);

    public Task StartAsync(CancellationToken ct) => DoAsync("start", ct);

    public Task KillAsync(CancellationToken ct) => DoAsync("kill", ct);

    public Task PauseAsync(CancellationToken ct) => DoAsync("pause", ct);

    public Task ResumeAsync(CancellationToken ct) => DoAsync("resume", ct);

    /// <summary>The files that its engine may have open from now on; answers how many that were before.</summary>
    public async Task<long> LimitFilesAsync(long most, CancellationToken ct)
    {
        var pid = (await File.ReadAllTextAsync(Path.Combine(_folder, _name, "dockerd.pid"), ct)).Trim();
        var before = await Shell.RunAsync(
            "prlimit",
            ["--pid", pid, "--nofile", "--output", "SOFT", "--noheadings"],
            ct
        );
        await Shell.RunAsync(
            "prlimit",
            ["--pid", pid, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"--nofile={most}:")],
            ct
        );
        return long.Parse(before, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Overrides readings of a GPU, as `ecc=3`; without any it is sound again.</summary>
    public Task FaultAsync(int gpu, CancellationToken ct, params string[] fields) =>
        DoAsync("fault", ct, [gpu.ToString(System.Globalization.CultureInfo.InvariantCulture), .. fields]);

    /// <summary>Its running containers lose their GPUs, as by `systemctl daemon-reload`.</summary>
    public Task ReloadAsync(CancellationToken ct) => DoAsync("reload", ct);

    /// <summary>While it is stopped: its GPUs have other indices afterwards.</summary>
    public Task ReorderAsync(CancellationToken ct) => DoAsync("reorder", ct);

    /// <summary>Runs `docker` against it and answers what it says.</summary>
    public Task<string> DockerAsync(CancellationToken ct, params string[] arguments) =>
        Shell.RunAsync("docker", ["-H", Address, .. arguments], ct);

    public async ValueTask DisposeAsync()
    {
        await Shell.RunAsync(s_hosts, ["down", _name, "--purge", "--dir", _folder], CancellationToken.None);
        Directory.Delete(_folder, recursive: true);
    }

    private Task<string> DoAsync(string verb, CancellationToken ct, params string[] more) =>
        Shell.RunAsync(s_hosts, [verb, _name, .. more, "--dir", _folder], ct);
}
