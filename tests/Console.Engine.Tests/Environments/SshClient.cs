using System.Globalization;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>The real ssh, with a key of its own.</summary>
internal sealed class SshClient : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("deeplab-ssh-");

    private string Key => Path.Combine(_folder.FullName, "id");

    /// <summary>Public key, one line.</summary>
    public string PublicKey { get; private set; } = "";

    public static async Task<SshClient> MakeAsync(CancellationToken ct)
    {
        var client = new SshClient();
        await Shell.RunAsync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", client.Key], ct);
        client.PublicKey = (await File.ReadAllTextAsync(client.Key + ".pub", ct)).Trim();
        return client;
    }

    /// <summary>Runs a command in the environment and answers what it wrote; the host's key must be the one of before.</summary>
    public Task<string> RunAsync(EnvironmentDetail environment, string command, CancellationToken ct) =>
        Shell.RunAsync("ssh", [.. To(environment, "-p"), Person(environment), command], ct);

    /// <summary>Forwards a port of this machine to one of the container, for a minute.</summary>
    public Task ForwardAsync(EnvironmentDetail environment, int from, int to, CancellationToken ct) =>
        Shell.RunAsync(
            "ssh",
            [
                .. To(environment, "-p"),
                "-o",
                "ExitOnForwardFailure=yes",
                "-L",
                string.Create(CultureInfo.InvariantCulture, $"{from}:127.0.0.1:{to}"),
                Person(environment),
                "sleep 60",
            ],
            ct
        );

    /// <summary>Returns when it may sign in: sshd may come up a moment after the environment is ready, and keys reach it a moment later.</summary>
    public async Task UntilInAsync(EnvironmentDetail environment, CancellationToken ct)
    {
        for (var n = 0; ; n++)
        {
            try
            {
                await RunAsync(environment, "true", ct);
                return;
            }
            catch (InvalidOperationException) when (n < 20)
            {
                await Task.Delay(250, ct);
            }
        }
    }

    /// <summary>Copies a file into the environment.</summary>
    public Task CopyAsync(EnvironmentDetail environment, string from, string to, CancellationToken ct) =>
        Shell.RunAsync("scp", [.. To(environment, "-P"), from, $"{Person(environment)}:{to}"], ct);

    /// <summary>Copies a file out of the environment.</summary>
    public Task FetchAsync(EnvironmentDetail environment, string from, string to, CancellationToken ct) =>
        Shell.RunAsync("scp", [.. To(environment, "-P"), $"{Person(environment)}:{from}", to], ct);

    /// <summary>Commands of sftp, one a line.</summary>
    public async Task SftpAsync(EnvironmentDetail environment, string commands, CancellationToken ct)
    {
        var batch = Path.Combine(_folder.FullName, "batch");
        await File.WriteAllTextAsync(batch, commands, ct);
        await Shell.RunAsync("sftp", ["-b", batch, .. To(environment, "-P"), Person(environment)], ct);
    }

    /// <summary>The hosts' keys that it has seen.</summary>
    public Task<string> KnownAsync(CancellationToken ct) => File.ReadAllTextAsync(Known, ct);

    private string Known => Path.Combine(_folder.FullName, "known_hosts");

    private static string Person(EnvironmentDetail environment) =>
        $"lab@{environment.Endpoints.Single(e => e.Name == Endpoint.Ssh).Address}";

    /// <param name="port">the program's own letter for the port</param>
    private string[] To(EnvironmentDetail environment, string port) =>
        [
            .. Options,
            "-o",
            string.Create(CultureInfo.InvariantCulture, $"HostKeyAlias=environment-{environment.Job.Row.Id}"),
            port,
            environment.Endpoints.Single(e => e.Name == Endpoint.Ssh).Port.ToString(CultureInfo.InvariantCulture),
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
