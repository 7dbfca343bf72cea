using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>Environments that nobody uses, and those that only seem so.</summary>
public sealed class IdleTests(EnvironmentConsole lab) : IClassFixture<EnvironmentConsole>
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_idle_one_is_warned_and_stopped_and_one_with_a_silent_busy_kernel_runs_until_that_is_done()
    {
        var spec = EnvironmentConsole.Spec("idle", new EnvironmentSpec { IdleAfter = s_limit });
        var (idle, busy) = (await lab.CreateAsync(spec), await lab.CreateAsync(spec));
        var working = await lab.UntilAsync(busy, WorkloadState.Running);
        var jupyter = EnvironmentConsole.JupyterOf(working);
        var token = await lab.TokenAsync(busy);
        var kernel = await Kernel.BusyAsync(lab, jupyter, token, Ct);
        var began = TimeProvider.System.GetUtcNow();

        var culled = await lab.UntilAsync(idle, WorkloadState.Stopped);
        Assert.Equal(Reason.IdleCulled, culled.Job.Row.Reason);
        Assert.Null(culled.Idle.CulledAt);
        await using (var db = await lab.Console.DbAsync(Ct))
        {
            var told = await db.Events.Where(e => e.WorkloadId == idle).OrderBy(e => e.Seq).ToListAsync(Ct);
            var warning = Assert.Single(told, e => e.Kind == "idle-warning");
            var stop = Assert.Single(told, e => e.Kind == "stop-requested");
            Assert.True(warning.Seq < stop.Seq);
            Assert.Equal(("console", Reason.IdleCulled), (stop.Actor, stop.Reason));
        }

        await lab.Console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == busy && w.LastActiveAt > began + 2 * s_limit, Ct),
            TimeSpan.FromSeconds(60),
            Ct
        );
        var still = await lab.FindAsync(busy);
        Assert.Equal(WorkloadState.Running, still.Job.Row.State);
        Assert.False(still.Idle.Warned);
        using (
            var interrupt = await lab.SendAsync(
                HttpMethod.Post,
                new Uri(jupyter, $"api/kernels/{kernel}/interrupt"),
                token
            )
        )
        {
            interrupt.EnsureSuccessStatusCode();
        }
        Assert.Equal(Reason.IdleCulled, (await lab.UntilAsync(busy, WorkloadState.Stopped)).Job.Row.Reason);

        await lab.StartAsync(idle);
        await lab.UntilAsync(idle, WorkloadState.Running);
    }

    [Fact]
    public async Task Whoever_is_signed_in_by_ssh_keeps_it_and_a_key_that_comes_into_the_profile_opens_it()
    {
        using var ssh = await SshClient.MakeAsync(Ct);
        using var late = await SshClient.MakeAsync(Ct);
        await using (var db = await lab.Console.DbAsync(Ct))
        {
            db.Users.Add(
                new User
                {
                    Id = ConsoleHarness.Admin.UserId,
                    UserName = ConsoleHarness.Admin.UserName,
                    PasswordHash = "",
                    SecurityStamp = "",
                }
            );
            await db.SaveChangesAsync(Ct);
        }
        var environment = new EnvironmentSpec
        {
            Jupyter = false,
            Ssh = true,
            SshKeys = [ssh.PublicKey],
            IdleAfter = s_limit,
        };
        var id = await lab.CreateAsync(EnvironmentConsole.Spec("ssh", environment));
        var door = SshDoor.Of(await lab.UntilAsync(id, WorkloadState.Running));
        Assert.IsType<DeepLab.Core.Operations.Outcome<IReadOnlyList<string>>.Done>(
            await lab
                .Console.Services.GetRequiredService<SshKeyVerbs>()
                .ReplaceAsync(ConsoleHarness.Admin, [late.PublicKey], Ct)
        );
        await late.UntilInAsync(door, Ct);
        var signedIn = ssh.RunAsync(door, "sleep 600", Ct);
        var began = TimeProvider.System.GetUtcNow();
        await lab.Console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.LastActiveAt > began + s_limit, Ct),
            TimeSpan.FromSeconds(40),
            Ct
        );
        await late.RunAsync(door, "pkill sleep", Ct);
        await Assert.ThrowsAsync<InvalidOperationException>(() => signedIn);
        Assert.Equal(Reason.IdleCulled, (await lab.UntilAsync(id, WorkloadState.Stopped)).Job.Row.Reason);
    }
}
