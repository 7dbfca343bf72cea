using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DeepLab.Bench;

/// <summary>
/// From the POST of an environment to its Jupyter, the image being there: against a bare `docker run` of the same image until
/// the same page answers, and against a JupyterHub that starts a process on this machine, where one is installed.
/// </summary>
internal static partial class NotebookBench
{
    private const double Target = 1.1;
    private const string Image = "deeplab/pytorch-cpu:2.6";
    private const int Port = 8888;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    /// <summary>How often a page is asked whether it is there: what is measured is late by half of that, on all sides.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);

    /// <summary>Milliseconds after the submission.</summary>
    private sealed record Start(double Leased, double Created, double Started, double Answers, double Ready);

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 5, least: 3);
        var address = Address();
        await using var console = await BenchConsole.StartNewAsync(ct, ("DEEPLAB_HOST_ADDRESS", address));
        await using var hub = await JupyterHub.StartAsync(ct);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false })
        {
            Timeout = TimeSpan.FromSeconds(5),
        };
        var ours = new List<Start>();
        var bare = new List<double>();
        var spawned = new List<double>();
        // The first of each finds nothing in the page cache that the others do; it is told apart
        for (var round = -1; round < rounds; round++)
        {
            var (mine, theirs) = (await OursAsync(console, http, ct), await BareAsync(address, http, ct));
            var hubs = hub is null ? 0 : await hub.SpawnAsync(ct);
            if (round < 0)
            {
                run.Report.AddFigure("the first of this run, over bare", "ms", mine.Ready, theirs);
                continue;
            }
            ours.Add(mine);
            bare.Add(theirs);
            spawned.Add(hubs);
        }
        run.Report.Add("POST to ready, over a bare docker run", "ms", ours.Select(s => s.Ready), bare);
        run.Report.Add("  to: leased", "ms", ours.Select(s => s.Leased));
        run.Report.Add("  to: container created", "ms", ours.Select(s => s.Created));
        run.Report.Add("  to: engine says started", "ms", ours.Select(s => s.Started));
        run.Report.Add("  started to: Jupyter answers", "ms", ours.Select(s => s.Answers - s.Started));
        run.Report.Add("  answers to: console says ready", "ms", ours.Select(s => s.Ready - s.Answers));
        if (hub is null)
        {
            run.Say("jupyterhub and configurable-http-proxy are not installed here: their ratio is absent");
        }
        else
        {
            run.Say(
                "JupyterHub starts its notebook as a process of this machine, with this machine's Jupyter; ours is a container of "
                    + Image
            );
            run.Report.Add("POST to ready, over JupyterHub", "ms", ours.Select(s => s.Ready), spawned);
        }
        var median = Spread.Of(ours.Select(s => s.Ready)).Median;
        run.Report.Judge(
            "notebook.bare",
            median / Spread.Of(bare).Median,
            Target,
            atMost: true,
            "an environment over a bare docker run of its image"
        );
        run.Report.Judge(
            "notebook",
            hub is null ? null : median / Spread.Of(spawned).Median,
            Target,
            atMost: true,
            "an environment over a spawn of JupyterHub's"
        );
    }

    private static async Task<Start> OursAsync(BenchConsole console, HttpClient http, CancellationToken ct)
    {
        var began = TimeProvider.System.GetUtcNow();
        using var answer = await console.Http.PostAsJsonAsync(
            "/api/v1/environments",
            new
            {
                name = "notebook",
                image = "pytorch-cpu",
                cpus = Environment.ProcessorCount,
                memory = "512MiB",
            },
            ct
        );
        var made = await answer.Content.ReadFromJsonAsync<JsonObject>(ct);
        BenchException.Require(answer.IsSuccessStatusCode, $"the environment was refused: {made}");
        var id = (long)made!["id"]!;
        await console.UntilAsync(
            $"exists (select from endpoints where workload_id = {id})",
            "a leased port",
            s_patience,
            ct
        );
        var door = await console.Sql.ScalarAsync<string>(
            $"select address || ':' || port from endpoints where workload_id = {id}",
            ct
        );
        await UntilAnswersAsync(http, new Uri($"http://{door}/e/{id}/jupyter/api"), ct);
        var answers = TimeProvider.System.GetUtcNow();
        await console.UntilAsync(
            $"state = 'Running' from workloads where id = {id}",
            "the environment's readiness",
            s_patience,
            ct
        );
        var start = new Start(
            await SinceAsync("leased_at"),
            await CreatedAsync(),
            await SinceAsync("started_at"),
            (answers - began).TotalMilliseconds,
            await SinceAsync("ready_at")
        );
        using (await console.Http.PostAsync($"/api/v1/environments/{id}/stop", null, ct)) { }
        await console.UntilAsync(
            $"state = 'Stopped' and not exists (select from attempts where not container_removed) from workloads where id = {id}",
            "the environment's end",
            s_patience,
            ct
        );
        using var deleted = await console.Http.DeleteAsync($"/api/v1/environments/{id}?home=delete", ct);
        BenchException.Require(deleted.IsSuccessStatusCode, "the environment was not deleted");
        return start;

        async Task<double> SinceAsync(string column)
        {
            var at = await console.Sql.ScalarAsync<DateTime>(
                $"select {column} from attempts where workload_id = {id}",
                ct
            );
            return (new DateTimeOffset(at) - began).TotalMilliseconds;
        }

        async Task<double> CreatedAsync()
        {
            var container = await console.Sql.ScalarAsync<string>(
                $"select container_id from attempts where workload_id = {id}",
                ct
            );
            var created = await DockerAsync(ct, "inspect", "-f", "{{.Created}}", container);
            return (DateTimeOffset.Parse(created, null) - began).TotalMilliseconds;
        }
    }

    private static async Task<double> BareAsync(string address, HttpClient http, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        var container = await DockerAsync(
            ct,
            "run",
            "-d",
            "--init",
            $"--cpus={Environment.ProcessorCount}",
            "--memory=512m",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--user=1000:1000",
            "-e=HOME=/tmp",
            "-p",
            $"{address}::{Port}",
            Image,
            "jupyter-lab",
            "--ip=0.0.0.0",
            $"--port={Port}",
            "--no-browser",
            "--IdentityProvider.token=bench"
        );
        try
        {
            var door = (await DockerAsync(ct, "port", container, $"{Port}/tcp")).Split('\n')[0];
            await UntilAnswersAsync(http, new Uri($"http://{door}/api"), ct);
            return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        }
        finally
        {
            await DockerAsync(CancellationToken.None, "rm", "-f", container);
        }
    }

    private static async Task UntilAnswersAsync(HttpClient http, Uri page, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync(page, ct);
                if (answer.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                // Listening, and not answering yet
            }
            BenchException.Require(Stopwatch.GetElapsedTime(began) < s_patience, $"{page} did not answer");
            await Task.Delay(s_look, ct);
        }
    }

    private static async Task<string> DockerAsync(CancellationToken ct, params string[] arguments)
    {
        var (code, output, _) = await Machine.CommandAsync(["docker", "-H", Setting.Engine, .. arguments], null, ct);
        BenchException.Require(code == 0, $"docker {arguments[0]}: {output}");
        return output.Trim();
    }

    /// <summary>Of the simulated host whose engine this is; this machine's own where it is no simulated one.</summary>
    private static string Address()
    {
        var conf = Path.Combine(Path.GetDirectoryName(new Uri(Setting.Engine).LocalPath) ?? "/", "host.conf");
        return File.Exists(conf) && HostAddress().Match(File.ReadAllText(conf)) is { Success: true } m
            ? m.Groups["ip"].Value
            : "127.0.0.1";
    }

    [GeneratedRegex("ADDRESS=\"(?<ip>[0-9.]+)\"", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex HostAddress();
}
