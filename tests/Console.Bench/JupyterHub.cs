using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace DeepLab.Bench;

/// <summary>A JupyterHub of this machine that starts notebooks as processes, without a login page in between.</summary>
internal sealed class JupyterHub : IAsyncDisposable
{
    private const string Token = "a-token-for-benchmarks";
    private const string User = "bench";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private readonly string _folder = Directory.CreateTempSubdirectory("deeplab-hub-").FullName;
    private readonly int _port = TestPorts.Free();
    private readonly HttpClient _http;
    private Process? _process;

    private JupyterHub()
    {
        _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_port}/hub/api/") };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("token", Token);
    }

    /// <summary>Null where it is not installed.</summary>
    public static async Task<JupyterHub?> StartAsync(CancellationToken ct)
    {
        if (!Machine.Has("jupyterhub") || !Machine.Has("configurable-http-proxy"))
        {
            return null;
        }
        var hub = new JupyterHub();
        var file = Path.Combine(hub._folder, "config.py");
        await File.WriteAllTextAsync(file, hub.Configuration, ct);
        hub._process = Process.Start(
            // What it and its notebooks say would stand among the figures
            new ProcessStartInfo("bash", ["-c", $"exec jupyterhub -f '{file}' >'{hub._folder}/log' 2>&1"])
            {
                WorkingDirectory = hub._folder,
                // A Node.js that is not Debian's own does not look where Debian's packages lie
                Environment = { ["NODE_PATH"] = "/usr/share/nodejs" },
            }
        )!;
        await hub.UntilAsync(
            async () => (await hub.AskAsync(HttpMethod.Get, "", ct)).IsSuccessStatusCode,
            "the hub",
            ct
        );
        using var made = await hub.AskAsync(HttpMethod.Post, $"users/{User}", ct);
        BenchException.Require(made.StatusCode == HttpStatusCode.Created, $"the hub made no user: {made.StatusCode}");
        return hub;
    }

    /// <summary>Milliseconds from the request until the hub says that the notebook answers; the notebook is ended then.</summary>
    public async Task<double> SpawnAsync(CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        using (var asked = await AskAsync(HttpMethod.Post, $"users/{User}/server", ct))
        {
            BenchException.Require(asked.IsSuccessStatusCode, $"the hub started no notebook: {asked.StatusCode}");
        }
        await UntilAsync(
            async () => await ServerAsync(ct) is { } server && (bool?)server["ready"] == true,
            "a notebook",
            ct
        );
        var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        using (await AskAsync(HttpMethod.Delete, $"users/{User}/server", ct)) { }
        await UntilAsync(async () => await ServerAsync(ct) is null, "the notebook's end", ct);
        return took;
    }

    private async Task<JsonNode?> ServerAsync(CancellationToken ct)
    {
        using var answer = await AskAsync(HttpMethod.Get, $"users/{User}", ct);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(ct))?["servers"]?[""];
    }

    private Task<HttpResponseMessage> AskAsync(HttpMethod method, string path, CancellationToken ct) =>
        _http.SendAsync(new HttpRequestMessage(method, path), ct);

    private async Task UntilAsync(Func<Task<bool>> holds, string what, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                if (await holds())
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet
            }
            BenchException.Require(
                _process is { HasExited: false } && Stopwatch.GetElapsedTime(began) < s_patience,
                $"JupyterHub: {what} did not come"
            );
            await Task.Delay(TimeSpan.FromMilliseconds(20), ct);
        }
    }

    private string Configuration =>
        $"""
            c.JupyterHub.bind_url = "http://127.0.0.1:{_port}"
            c.JupyterHub.hub_port = {TestPorts.Free()}
            c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{TestPorts.Free()}"
            c.JupyterHub.db_url = "sqlite:///{_folder}/hub.sqlite"
            c.JupyterHub.cookie_secret_file = "{_folder}/cookie"
            c.JupyterHub.authenticator_class = "dummy"
            c.JupyterHub.spawner_class = "simple"
            c.SimpleLocalProcessSpawner.home_dir_template = "{_folder}/{"{username}"}"
            c.Spawner.args = ["--allow-root"]
            c.JupyterHub.services = [{"{"}"name": "bench", "api_token": "{Token}", "admin": True{"}"}]
            """;

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            // It ends its proxy and its notebooks when it is asked to
            await Machine.CommandAsync(["kill", "-TERM", process.Id.ToString()], null, CancellationToken.None);
            await process.WaitForExitAsync();
            process.Dispose();
        }
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
