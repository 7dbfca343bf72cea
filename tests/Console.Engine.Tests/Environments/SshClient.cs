using System.Globalization;
using System.Net;
using System.Net.Http;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>Where an environment is signed in to over SSH.</summary>
/// <param name="Id">of the environment, whose host key is one for ever wherever it runs</param>
/// <param name="Person">`user@address`</param>
internal sealed record SshDoor(long Id, string Person, int Port)
{
    public static SshDoor Of(EnvironmentDetail environment)
    {
        var door = environment.Endpoints.Single(e => e.Name == Endpoint.Ssh);
        return new SshDoor(environment.Job.Row.Id, $"lab@{door.Address}", door.Port);
    }
}

/// <summary>The real ssh, with a key of its own.</summary>
internal sealed class SshClient : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("deeplab-ssh-");

    private string Key => Path.Combine(_folder.FullName, "id");

    /// <summary>Public key, one line.</summary>
    public string PublicKey { get; private set; } = "";

    public static async Task<SshClient> MakeAsync(CancellationToken ct, string comment = "test")
    {
        var client = new SshClient();
        await Shell.RunAsync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", client.Key], ct);
        client.PublicKey = (await File.ReadAllTextAsync(client.Key + ".pub", ct)).Trim();
        return client;
    }

    /// <summary>Runs a command in the environment and answers what it wrote; the host's key must be the one of before.</summary>
    public Task<string> RunAsync(SshDoor door, string command, CancellationToken ct) =>
        Shell.RunAsync("ssh", [.. To(door, "-p"), door.Person, command], ct);

    /// <summary>Talks HTTP with a port inside the container, through a forwarded port of this machine, as an editor does that works over SSH.</summary>
    /// <param name="to">the port inside; the client's addresses are below it</param>
    public async Task ThroughAsync(SshDoor door, int to, Func<HttpClient, Task> talk, CancellationToken ct)
    {
        var from = TestPorts.Free();
        var forwarding = ForwardAsync(door, from, to, ct);
        using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{from}/")),
        };
        // ssh stays as long as anything is open through it
        http.DefaultRequestHeaders.ConnectionClose = true;
        for (var n = 0; ; n++)
        {
            Assert.False(forwarding.IsCompleted, "ssh ended");
            try
            {
                (await http.GetAsync("", ct)).Dispose();
                break;
            }
            catch (HttpRequestException) when (n < 50)
            {
                await Task.Delay(200, ct);
            }
        }
        await talk(http);
        await RunAsync(door, "pkill sleep", ct);
        await Assert.ThrowsAsync<InvalidOperationException>(() => forwarding);
    }

    private Task ForwardAsync(SshDoor door, int from, int to, CancellationToken ct) =>
        Shell.RunAsync(
            "ssh",
            [
                .. To(door, "-p"),
                "-o",
                "ExitOnForwardFailure=yes",
                "-L",
                string.Create(CultureInfo.InvariantCulture, $"{from}:127.0.0.1:{to}"),
                door.Person,
                "sleep 60",
            ],
            ct
        );

    /// <summary>Returns when it may sign in: sshd may come up a moment after the environment is ready, and keys reach it a moment later.</summary>
    public async Task UntilInAsync(SshDoor door, CancellationToken ct)
    {
        for (var n = 0; ; n++)
        {
            try
            {
                await RunAsync(door, "true", ct);
                return;
            }
            catch (InvalidOperationException) when (n < 20)
            {
                await Task.Delay(250, ct);
            }
        }
    }

    /// <summary>Copies a file into the environment.</summary>
    public Task CopyAsync(SshDoor door, string from, string to, CancellationToken ct) =>
        Shell.RunAsync("scp", [.. To(door, "-P"), from, $"{door.Person}:{to}"], ct);

    /// <summary>Copies a file out of the environment.</summary>
    public Task FetchAsync(SshDoor door, string from, string to, CancellationToken ct) =>
        Shell.RunAsync("scp", [.. To(door, "-P"), $"{door.Person}:{from}", to], ct);

    /// <summary>Commands of sftp, one a line.</summary>
    public async Task SftpAsync(SshDoor door, string commands, CancellationToken ct)
    {
        var batch = Path.Combine(_folder.FullName, "batch");
        await File.WriteAllTextAsync(batch, commands, ct);
        await Shell.RunAsync("sftp", ["-b", batch, .. To(door, "-P"), door.Person], ct);
    }

    /// <summary>The hosts' keys that it has seen.</summary>
    public Task<string> KnownAsync(CancellationToken ct) => File.ReadAllTextAsync(Known, ct);

    private string Known => Path.Combine(_folder.FullName, "known_hosts");

    /// <param name="port">the program's own letter for the port</param>
    private string[] To(SshDoor door, string port) =>
        [
            .. Options,
            "-o",
            string.Create(CultureInfo.InvariantCulture, $"HostKeyAlias=environment-{door.Id}"),
            port,
            door.Port.ToString(CultureInfo.InvariantCulture),
        ];

    public void Dispose() => _folder.Delete(recursive: true);

    private string[] Options =>
        [
            "-i",
            Key,
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            $"UserKnownHostsFile={Known}",
        ];
}
