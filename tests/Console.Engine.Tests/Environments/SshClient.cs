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
    public Task<string> RunAsync(EnvironmentDetail environment, string command, CancellationToken ct)
    {
        var door = environment.Endpoints.Single(e => e.Name == Endpoint.Ssh);
        return Shell.RunAsync(
            "ssh",
            [
                .. Options,
                "-o",
                string.Create(CultureInfo.InvariantCulture, $"HostKeyAlias=environment-{environment.Job.Row.Id}"),
                "-p",
                door.Port.ToString(CultureInfo.InvariantCulture),
                $"lab@{door.Address}",
                command,
            ],
            ct
        );
    }

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
    public Task CopyAsync(EnvironmentDetail environment, string from, string to, CancellationToken ct)
    {
        var door = environment.Endpoints.Single(e => e.Name == Endpoint.Ssh);
        return Shell.RunAsync(
            "scp",
            [
                .. Options,
                "-o",
                string.Create(CultureInfo.InvariantCulture, $"HostKeyAlias=environment-{environment.Job.Row.Id}"),
                "-P",
                door.Port.ToString(CultureInfo.InvariantCulture),
                from,
                $"lab@{door.Address}:{to}",
            ],
            ct
        );
    }

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
            $"UserKnownHostsFile={Path.Combine(_folder.FullName, "known_hosts")}",
        ];
}
