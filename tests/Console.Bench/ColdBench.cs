using System.Diagnostics;

namespace DeepLab.Bench;

/// <summary>`./lab up --detach` on a data folder where it has run before.</summary>
internal static class ColdBench
{
    /// <summary>seconds</summary>
    private const double Target = 10;

    public static async Task RunAsync(Run run, CancellationToken ct)
    {
        var rounds = run.Options.Number("rounds", 5);
        var lab = FindLab();
        var data = run.Options.Text("data") ?? Environment.GetEnvironmentVariable("DEEPLAB_COLD_DATA") ?? DefaultData();
        if (
            lab is null
            || !File.Exists(Path.Combine(data, "app.hash"))
            || !Directory.Exists(Path.Combine(data, "postgres"))
        )
        {
            run.Report.Skip(
                $"No lab is set up in {data}: run DEEPLAB_DATA={data} ./lab up --gpus 4 --detach once, then ./lab down.",
                1,
                atMost: true
            );
            return;
        }
        if (File.Exists(Path.Combine(data, "console.pid")))
        {
            run.Report.Skip(
                $"A console runs in {data}; it is left alone. Stop it with ./lab down first.",
                1,
                atMost: true
            );
            return;
        }
        var seconds = new List<double>();
        for (var i = 0; i <= rounds; i++)
        {
            seconds.Add(await OnceAsync(lab, data, ct));
        }
        run.Say($"the data folder is {data}; the first round builds the console where its sources have changed");
        run.Report.AddFigure("first up", "s", seconds[0]);
        run.Report.Add("up again, to ready", "s", seconds.Skip(1));
        run.Report.Judge(
            "cold",
            Spread.Of(seconds.Skip(1)).Median / Target,
            1,
            atMost: true,
            $"up again over {Target} s"
        );
    }

    private static async Task<double> OnceAsync(string lab, string data, CancellationToken ct)
    {
        var port = TestPorts.Free();
        try
        {
            var began = Stopwatch.GetTimestamp();
            await LabAsync(lab, data, $"up --detach --no-install --port {port}", ct);
            using var http = new HttpClient();
            using var answer = await http.GetAsync($"http://127.0.0.1:{port}/health/ready", ct);
            var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
            BenchException.Require(answer.IsSuccessStatusCode, $"lab is up and answers {answer.StatusCode}");
            return took;
        }
        finally
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            await LabAsync(lab, data, "down", patience.Token);
        }
    }

    private static async Task LabAsync(string lab, string data, string verb, CancellationToken ct)
    {
        var log = Path.Combine(Path.GetTempPath(), $"deeplab-cold-{Environment.ProcessId}.log");
        // Nothing of this benchmark's own setting, and nobody else's folders: `down` looks at those, too
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["DEEPLAB_DATA"] = data,
            ["DEEPLAB_TEST_DATA"] = data + "-none",
            ["DEEPLAB_BENCH_DATA"] = data + "-none",
            ["DEEPLAB_TEST_DB"] = null,
            ["DEEPLAB_TEST_DOCKER"] = null,
        };
        // What stays behind must not hold our pipe
        var (code, _, _) = await Machine.CommandAsync(
            ["bash", "-c", $"exec '{lab}' {verb} >'{log}' 2>&1"],
            environment,
            ct
        );
        var said = await File.ReadAllTextAsync(log, ct);
        File.Delete(log);
        BenchException.Require(code == 0, $"./lab {verb} ended with {code}:{Environment.NewLine}{said}");
    }

    private static string? FindLab()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var lab = Path.Combine(folder.FullName, "lab");
            if (File.Exists(lab) && Directory.Exists(Path.Combine(folder.FullName, "deploy")))
            {
                return lab;
            }
        }
        return null;
    }

    /// <summary>That of ./lab up.</summary>
    private static string DefaultData() =>
        Environment.IsPrivilegedProcess
            ? "/var/lib/deeplab"
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local/share/deeplab");
}
