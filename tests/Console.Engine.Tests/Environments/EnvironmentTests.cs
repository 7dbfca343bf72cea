using System.Net;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>Environments on a real engine, with the real JupyterLab and sshd of the starter image.</summary>
public sealed class EnvironmentTests(EnvironmentConsole lab) : IClassFixture<EnvironmentConsole>
{
    private const string Password = "a quite secret word";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_opens_to_its_user_by_token_password_and_ssh_and_shows_no_secret_to_anybody()
    {
        using var ssh = await SshClient.MakeAsync(Ct);
        var id = await lab.CreateAsync(
            EnvironmentConsole.Spec("doors", new EnvironmentSpec { Ssh = true, SshKeys = [ssh.PublicKey] }, gpus: 2),
            Password
        );
        var found = await lab.UntilAsync(id, WorkloadState.Running);
        Assert.Equal(EnvironmentStep.Ready, found.Progress.Step);
        Assert.Equal([$"/e/{id}/jupyter/"], found.Links.Select(l => l.Url));
        Assert.All(
            found.Endpoints,
            e => Assert.InRange(e.Port, EnvironmentConsole.Ports.First, EnvironmentConsole.Ports.Last)
        );
        var address = await EnvironmentConsole.AddressAsync();
        Assert.All(found.Endpoints, e => Assert.Equal(address, e.Address));

        var jupyter = EnvironmentConsole.JupyterOf(found);
        var token = await lab.TokenAsync(id);
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync("api/status", null));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync("api/status", "another"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("api/status", token));
        using (var page = await lab.SendAsync(HttpMethod.Get, new Uri(jupyter, "lab"), token))
        {
            Assert.Contains("jupyter-config-data", await page.Content.ReadAsStringAsync(Ct));
        }
        Assert.Equal(HttpStatusCode.Found, await SignInAsync(jupyter, Password));
        Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(jupyter, Password + "!"));

        var door = SshDoor.Of(found);
        await ssh.UntilInAsync(door, Ct);
        var gpus = (await ssh.RunAsync(door, "nvidia-smi -L", Ct)).Trim().Split('\n');
        Assert.Equal(2, gpus.Length);
        Assert.All(found.Job.Replicas[0].Attempts[0].Gpus, g => Assert.Contains(gpus, line => line.Contains(g)));
        Assert.Equal($"1000 {id} /home/lab", (await ssh.RunAsync(door, "echo $(id -u) $DEEPLAB_JOB $HOME", Ct)).Trim());
        using (var stranger = await SshClient.MakeAsync(Ct))
        {
            var refused = await Assert.ThrowsAnyAsync<Exception>(() => stranger.RunAsync(door, "true", Ct));
            Assert.Contains("Permission denied", refused.Message);
        }

        foreach (var secret in (string[])[token, Password])
        {
            Assert.DoesNotContain(secret, await AllThatIsToldAsync(found));
            Assert.DoesNotContain(secret, await DatabaseAsync());
        }
        Assert.Contains(token, await InsideAsync(found, "cat /home/lab/.deeplab/jupyter/*"));
        var open = await InsideAsync(found, "find /home/lab/.deeplab -perm /077 -o ! -uid 1000");
        Assert.Empty(open.Trim());
        await lab.Console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);

        async Task<HttpStatusCode> StatusAsync(string path, string? with)
        {
            using var answer = await lab.SendAsync(HttpMethod.Get, new Uri(jupyter, path), with);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task A_password_that_is_changed_while_it_runs_is_asked_for_within_seconds_and_kernels_live_on()
    {
        const string Other = "another quite secret word";
        var id = await lab.CreateAsync(EnvironmentConsole.Spec("words", new EnvironmentSpec()), Password);
        var found = await lab.UntilAsync(id, WorkloadState.Running);
        var (jupyter, token) = (EnvironmentConsole.JupyterOf(found), await lab.TokenAsync(id));
        using (var made = await lab.SendAsync(HttpMethod.Post, new Uri(jupyter, "api/kernels"), token, "{}"))
        {
            Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        }
        var kernels = await KernelsAsync();

        var passwords = lab.Console.Services.GetRequiredService<JupyterPassword>();
        Assert.IsType<Outcome<long>.Refused>(await passwords.ChangeAsync(ConsoleHarness.Admin, id, "short", Ct));
        Assert.IsType<Outcome<long>.Done>(await passwords.ChangeAsync(ConsoleHarness.Admin, id, Other, Ct));
        await UntilSignsInAsync(Other, HttpStatusCode.Found);
        Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(jupyter, Password));
        Assert.Equal(kernels, await KernelsAsync());
        Assert.DoesNotContain(Other, await AllThatIsToldAsync(found));
        Assert.DoesNotContain(Other, await DatabaseAsync());

        Assert.IsType<Outcome<long>.Done>(await passwords.ChangeAsync(ConsoleHarness.Admin, id, null, Ct));
        await UntilSignsInAsync(Other, HttpStatusCode.Unauthorized);
        Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(jupyter, ""));
        Assert.Equal(kernels, await KernelsAsync());
        await lab.Console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);

        async Task<string[]> KernelsAsync()
        {
            using var answer = await lab.SendAsync(HttpMethod.Get, new Uri(jupyter, "api/kernels"), token);
            using var json = JsonDocument.Parse(await answer.Content.ReadAsStreamAsync(Ct));
            var ids = json.RootElement.EnumerateArray().Select(k => k.GetProperty("id").GetString()!).ToArray();
            Assert.Single(ids);
            return ids;
        }

        async Task UntilSignsInAsync(string with, HttpStatusCode says)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            patience.CancelAfter(TimeSpan.FromSeconds(20));
            while (await SignInAsync(jupyter, with) != says)
            {
                await Task.Delay(200, patience.Token);
            }
        }
    }

    [Fact]
    public async Task What_is_in_its_home_is_there_after_a_stop_and_all_of_it_goes_when_it_is_deleted_with_its_home()
    {
        using var ssh = await SshClient.MakeAsync(Ct);
        var id = await lab.CreateAsync(
            EnvironmentConsole.Spec("home", new EnvironmentSpec { Ssh = true, SshKeys = [ssh.PublicKey] })
        );
        var first = await lab.UntilAsync(id, WorkloadState.Running);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "kept\n", Ct);
        await ssh.UntilInAsync(SshDoor.Of(first), Ct);
        await ssh.CopyAsync(SshDoor.Of(first), file, "kept.txt", Ct);
        File.Delete(file);
        await lab.Console.StopAsync(id, Ct);
        var stopped = await lab.UntilAsync(id, WorkloadState.Stopped);
        Assert.Empty(stopped.Endpoints);
        Assert.Empty(stopped.Links);

        await lab.StartAsync(id);
        var second = await lab.UntilAsync(id, WorkloadState.Running);
        await ssh.UntilInAsync(SshDoor.Of(second), Ct);
        // Its host key too is the one of before, or ssh would refuse
        Assert.Equal("kept", (await ssh.RunAsync(SshDoor.Of(second), "cat kept.txt", Ct)).Trim());
        Assert.Equal(first.HomeHost, second.HomeHost);
        Assert.Equal([1, 2], second.Job.Replicas[0].Attempts.Select(a => a.Number));

        await lab.Console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);
        var home = LaunchPlan.HomeOf(lab.InstallId, id);
        Assert.Contains(home, await lab.HomesAsync());
        await lab.DeleteAsync(id, withHome: true);
        await lab.Console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.HomeHostId == null, Ct),
            TimeSpan.FromSeconds(20),
            Ct
        );
        Assert.DoesNotContain(home, await lab.HomesAsync());
        await using var db = await lab.Console.DbAsync(Ct);
        Assert.False(await db.Endpoints.AnyAsync(e => e.WorkloadId == id && e.ReleasedAt == null, Ct));
        Assert.False(await db.Secrets.AnyAsync(s => s.WorkloadId == id, Ct));
    }

    [Fact]
    public async Task A_port_that_something_else_has_is_passed_over_and_told()
    {
        // All but the last two: whatever the search begins with, it meets them
        var address = await EnvironmentConsole.AddressAsync();
        var published = Enumerable
            .Range(EnvironmentConsole.Ports.First, EnvironmentConsole.Ports.Count - 2)
            .SelectMany(p => (string[])["-p", $"{address}:{p}:80"]);
        var foreign = (
            await Shell.DockerAsync(
                ConsoleHarness.Engine,
                Ct,
                ["run", "-d", .. published, "deeplab/base:13", "sleep", "300"]
            )
        ).Trim();
        try
        {
            var spec = EnvironmentConsole.Spec("ports", new EnvironmentSpec());
            var ids = new[] { await lab.CreateAsync(spec), await lab.CreateAsync(spec) };
            var ports = new List<int>();
            foreach (var id in ids)
            {
                var found = await lab.UntilAsync(id, WorkloadState.Running);
                ports.Add(Assert.Single(found.Endpoints).Port);
                Assert.Equal(HttpStatusCode.OK, await ApiAsync(found));
            }
            Assert.Equal([EnvironmentConsole.Ports.Last - 1, EnvironmentConsole.Ports.Last], ports.Order());
            await using var db = await lab.Console.DbAsync(Ct);
            Assert.True(await db.Events.AnyAsync(e => ids.Contains(e.WorkloadId) && e.Kind == "port-taken", Ct));
            foreach (var id in ids)
            {
                await lab.Console.StopAsync(id, Ct);
                await lab.UntilAsync(id, WorkloadState.Stopped);
            }
        }
        finally
        {
            await Shell.DockerAsync(ConsoleHarness.Engine, CancellationToken.None, "rm", "-f", foreign);
        }
    }

    [Fact]
    public async Task An_operators_removal_starts_it_again_by_itself_and_the_death_of_its_program_does_not()
    {
        var id = await lab.CreateAsync(EnvironmentConsole.Spec("ends", new EnvironmentSpec()));
        var first = await lab.UntilAsync(id, WorkloadState.Running);
        await InsideAsync(first, "echo kept > /home/lab/kept.txt");
        await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "rm", "-f", ContainerOf(first));
        await lab.Console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == id && w.Round == 2 && w.State == WorkloadState.Running, Ct),
            TimeSpan.FromSeconds(30),
            Ct
        );
        var second = await lab.FindAsync(id);
        Assert.Equal((0, 1), (second.Job.Restarts, second.Job.Interruptions));
        Assert.Equal("kept", (await InsideAsync(second, "cat /home/lab/kept.txt")).Trim());
        await InsideAsync(second, "pkill -KILL jupyter");
        var failed = await lab.UntilAsync(id, WorkloadState.Failed);
        Assert.Equal(Reason.KilledBySignal, failed.Job.Row.Reason);
        Assert.Empty(failed.Endpoints);
        await lab.StartAsync(id);
        await lab.UntilAsync(id, WorkloadState.Running);
        await lab.Console.StopAsync(id, Ct);
        await lab.UntilAsync(id, WorkloadState.Stopped);
    }

    [Fact]
    public async Task An_image_without_jupyter_is_told_and_the_environment_fails()
    {
        var id = await lab.CreateAsync(EnvironmentConsole.Spec("bare", new EnvironmentSpec(), image: "base"));
        var failed = await lab.UntilAsync(id, WorkloadState.Failed);
        Assert.Equal(Reason.CommandNotFound, failed.Job.Row.Reason);
        Assert.Contains("no Jupyter", failed.Job.Row.Message);
    }

    private async Task<HttpStatusCode> ApiAsync(EnvironmentDetail found)
    {
        using var answer = await lab.SendAsync(
            HttpMethod.Get,
            new Uri(EnvironmentConsole.JupyterOf(found), "api"),
            null
        );
        return answer.StatusCode;
    }

    /// <summary>Jupyter's own form, which takes a cookie and the same value beside it.</summary>
    private async Task<HttpStatusCode> SignInAsync(Uri jupyter, string password)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(jupyter, "login"));
        request.Headers.Add("Cookie", "_xsrf=x");
        request.Headers.Add("X-XSRFToken", "x");
        request.Content = new FormUrlEncodedContent([new("password", password)]);
        using var answer = await lab.Http.SendAsync(request, Ct);
        return answer.StatusCode;
    }

    private static Task<string> InsideAsync(EnvironmentDetail found, string command) =>
        Shell.DockerAsync(ConsoleHarness.Engine, Ct, "exec", ContainerOf(found), "sh", "-c", command);

    private static string ContainerOf(EnvironmentDetail found) => found.Job.Replicas[0].Attempts[^1].ContainerId!;

    private static async Task<string> AllThatIsToldAsync(EnvironmentDetail found) =>
        string.Join(
            '\n',
            await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "inspect", ContainerOf(found)),
            await Shell.RunAsync("sh", ["-c", $"docker -H {ConsoleHarness.Engine} logs {ContainerOf(found)} 2>&1"], Ct),
            await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "top", ContainerOf(found)),
            System.Text.Json.JsonSerializer.Serialize(found)
        );

    /// <summary>Every row of every table, as text.</summary>
    private async Task<string> DatabaseAsync()
    {
        await using var db = await lab.Console.DbAsync(Ct);
        var tables = await db
            .Database.SqlQuery<string>(
                $"select table_name::text as \"Value\" from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'"
            )
            .ToListAsync(Ct);
        Assert.Contains("workload_secrets", tables);
        var all = new StringBuilder();
        foreach (var table in tables)
        {
            var sql = $"select t::text as \"Value\" from \"{table}\" t";
            (await db.Database.SqlQueryRaw<string>(sql).ToListAsync(Ct)).ForEach(row => all.AppendLine(row));
        }
        return all.ToString();
    }
}
