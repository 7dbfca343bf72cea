using System.Collections.Immutable;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>The real ssh into an environment on another machine than the console's.</summary>
public sealed class RemoteSshTests(LabFleet fleet)
{
    private const string Cluster = "away";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_environment_on_another_host_is_a_machine_to_ssh_scp_sftp_and_a_forwarded_port_and_stays_the_same_one()
    {
        await fleet.ReadyAsync(Ct);
        var machine = fleet.Hosts[1];
        await machine.LoadAsync("pytorch-cpu");
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            o => o with { Ports = new Core.PortRange(21100, 21119) }
        );
        await AddAsync(console, machine);
        using var ssh = await SshClient.MakeAsync(Ct);
        var spec = EnvironmentConsole.Spec(
            "away",
            new EnvironmentSpec { Ssh = true, SshKeys = [ssh.PublicKey] },
            gpus: 2
        ) with
        {
            Cluster = Cluster,
            Env = ImmutableSortedDictionary<string, string>.Empty.Add("WORD", "a \"quoted\" $word"),
        };
        var id = await console.SubmitAsync(spec, Ct);
        var first = await RunningAsync(console, id);
        Assert.Equal(machine.Name, first.Job.Row.Host);
        var door = SshDoor.Of(first);
        await ssh.UntilInAsync(door, Ct);

        // Exactly the GPUs that it leased, of all that its host has
        var gpus = (await ssh.RunAsync(door, "nvidia-smi -L", Ct)).Trim().Split('\n');
        var leased = first.Job.Replicas[0].Attempts[0].Gpus;
        Assert.Equal(2, leased.Count);
        Assert.Equal(leased.Order(), gpus.Select(l => l[(l.IndexOf("UUID: ") + 6)..].TrimEnd(')', '\r')).Order());
        Assert.Equal(
            $"a \"quoted\" $word {id} environment 1000 /home/lab",
            (await ssh.RunAsync(door, "echo \"$WORD\" $DEEPLAB_JOB $DEEPLAB_ROLE $(id -u) $PWD", Ct)).Trim()
        );
        await MovesFilesAsync(ssh, door);
        // Jupyter listens inside; this reaches it without the published port
        await ssh.ThroughAsync(
            door,
            EnvironmentSpec.JupyterPort,
            async http => Assert.Contains("version", await http.GetStringAsync($"e/{id}/jupyter/api", Ct)),
            Ct
        );

        var known = await ssh.KnownAsync(Ct);
        await console.StopAsync(id, Ct);
        await console.UntilStateAsync(id, WorkloadState.Stopped, Ct);
        Assert.IsType<Outcome<long>.Done>(
            await console.Services.GetRequiredService<StartEnvironment>().RunAsync(ConsoleHarness.Admin, id, Ct)
        );
        var second = SshDoor.Of(await RunningAsync(console, id));
        await ssh.UntilInAsync(second, Ct);
        Assert.Equal("by scp", await ssh.RunAsync(second, "cat one.txt", Ct));
        Assert.Equal(known, await ssh.KnownAsync(Ct));
        await console.StopAsync(id, Ct);
        await console.UntilStateAsync(id, WorkloadState.Stopped, Ct);
        Assert.IsType<Outcome<long>.Done>(
            await console
                .Services.GetRequiredService<DeleteEnvironment>()
                .RunAsync(ConsoleHarness.Admin, id, withHome: true, Ct)
        );
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.HomeHostId == null, Ct),
            s_patience,
            Ct
        );
    }

    private static async Task MovesFilesAsync(SshClient ssh, SshDoor door)
    {
        var folder = Directory.CreateTempSubdirectory("deeplab-copied-");
        try
        {
            string At(string name) => Path.Combine(folder.FullName, name);
            await File.WriteAllTextAsync(At("one"), "by scp", Ct);
            await ssh.CopyAsync(door, At("one"), "one.txt", Ct);
            await ssh.FetchAsync(door, "one.txt", At("back"), Ct);
            Assert.Equal("by scp", await File.ReadAllTextAsync(At("back"), Ct));
            await ssh.SftpAsync(
                door,
                $"put {At("one")} two.txt\nrename two.txt three.txt\nget three.txt {At("three")}\n",
                Ct
            );
            Assert.Equal("by scp", await File.ReadAllTextAsync(At("three"), Ct));
            Assert.Equal("by scp", await ssh.RunAsync(door, "cat three.txt", Ct));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task AddAsync(ConsoleHarness console, FleetHost machine)
    {
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<AddCluster>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    new NewCluster(Cluster, null, null, new CredentialInput(null, null, null)),
                    Ct
                )
        );
        var c = fleet.Credentials;
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<AddHost>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    new NewHost(
                        machine.Name,
                        Cluster,
                        machine.Address,
                        new CredentialInput(c.Ca, c.Certificate, c.Key),
                        new Dictionary<string, string>(),
                        ""
                    ),
                    Ct
                )
        );
        await console.UntilAsync(
            async db => (await db.Hosts.AsNoTracking().ToListAsync(Ct)).All(h => h.Closed is null),
            s_patience,
            Ct
        );
    }

    private static async Task<EnvironmentDetail> RunningAsync(ConsoleHarness console, long id)
    {
        await console.UntilStateAsync(id, WorkloadState.Running, Ct);
        var found = await console
            .Services.GetRequiredService<EnvironmentQueries>()
            .FindAsync(ConsoleHarness.Admin, id, Ct);
        return found!;
    }
}
