using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// The real console as a process of its own, to be killed and started again on the same database and data folder.
/// </summary>
public sealed class ConsoleProcess : IAsyncDisposable
{
    private const string Password = "a-password-for-tests";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly HttpClient _http;
    private readonly Dictionary<string, string> _environment;
    private readonly List<string> _output = [];
    private Process? _process;
    private int? _files;

    /// <summary>The way to its database past a proxy.</summary>
    private string? _direct;

    /// <summary>Null where another one's database is shared.</summary>
    private string? _owned;

    private ConsoleProcess(string database, string folder, int port)
    {
        Database = database;
        Folder = folder;
        Address = new Uri($"http://127.0.0.1:{port}");
        _http = new HttpClient { BaseAddress = Address, Timeout = s_patience };
        _environment = new()
        {
            ["DEEPLAB_DB"] = database,
            ["DEEPLAB_DATA"] = folder,
            ["DOCKER_HOST"] = ConsoleHarness.Engine,
            ["DEEPLAB_FIRST_PASSWORD"] = Password,
            ["ASPNETCORE_URLS"] = Address.ToString(),
            // Static assets of a build that was not published are found only so
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
        };
    }

    public string Database { get; }
    public string Folder { get; }
    public Uri Address { get; }
    public NpgsqlDataSource Sql { get; private set; } = null!;

    public static async Task<ConsoleProcess> CreateAsync(
        CancellationToken ct,
        params (string Name, string Value)[] environment
    )
    {
        var name = $"p_{Guid.CreateVersion7():N}";
        await using (var admin = NpgsqlDataSource.Create(ConsoleHarness.AdminDatabase))
        await using (var command = admin.CreateCommand($"create database {name}"))
        {
            await command.ExecuteNonQueryAsync(ct);
        }
        var database = new NpgsqlConnectionStringBuilder(ConsoleHarness.AdminDatabase)
        {
            Database = name,
        }.ConnectionString;
        var console = new ConsoleProcess(
            database,
            Directory.CreateTempSubdirectory("deeplab-test-").FullName,
            FreePort()
        );
        console._owned = name;
        foreach (var (key, value) in environment)
        {
            console._environment[key] = value;
        }
        console.Sql = NpgsqlDataSource.Create(database);
        return console;
    }

    /// <summary>A second console on this one's database, with a data folder of its own. It goes before this one does.</summary>
    public ConsoleProcess Beside()
    {
        var second = new ConsoleProcess(
            Database,
            Directory.CreateTempSubdirectory("deeplab-test-").FullName,
            FreePort()
        );
        foreach (var (key, value) in _environment.Where(e => !second._environment.ContainsKey(e.Key)))
        {
            second._environment[key] = value;
        }
        second._environment["DEEPLAB_DB"] = _environment["DEEPLAB_DB"];
        second._environment["DEEPLAB_SECRET_KEY_FILE"] = Path.Combine(Folder, "secrets.key");
        second.Sql = NpgsqlDataSource.Create(Database);
        return second;
    }

    /// <summary>From its next start it may have no more files and sockets open than this.</summary>
    public void LimitFiles(int most) => _files = most;

    /// <summary>Starts it and returns when it is ready and a token was made.</summary>
    public async Task StartAsync(CancellationToken ct, string? failpoint = null)
    {
        string[] console = ["dotnet", Path.Combine(AppContext.BaseDirectory, "DeepLab.Web.dll")];
        var command = _files is { } files
            ? ["prlimit", string.Create(CultureInfo.InvariantCulture, $"--nofile={files}:{files}"), .. console]
            : console;
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        foreach (var (key, value) in _environment)
        {
            start.Environment[key] = value;
        }
        start.Environment["DEEPLAB_FAILPOINT"] = failpoint ?? "";
        _process = Process.Start(start)!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await UntilReadyAsync(ct);
        // By another program: this console holds a lock on it, which the runtime heeds
        Identity = await Shell.RunAsync("cat", [Path.Combine(Folder, "instance")], ct);
    }

    public async Task SignInAsync(CancellationToken ct)
    {
        var answer = await _http.PostAsJsonAsync(
            "/api/v1/session",
            new { userName = "admin", password = Password },
            ct
        );
        answer.EnsureSuccessStatusCode();
        var session = await answer.Content.ReadFromJsonAsync<JsonObject>(ct);
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (string)session!["token"]!);
    }

    public Task<(HttpStatusCode Status, JsonNode? Body)> PostAsync(
        string path,
        object? body,
        CancellationToken ct,
        string? idempotencyKey = null
    ) => SendAsync(HttpMethod.Post, path, body, ct, idempotencyKey);

    public async Task<(HttpStatusCode Status, JsonNode? Body)> SendAsync(
        HttpMethod method,
        string path,
        object? body,
        CancellationToken ct,
        string? idempotencyKey = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : JsonContent.Create(body);
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }
        using var answer = await _http.SendAsync(request, ct);
        return (answer.StatusCode, await ReadAsync(answer, ct));
    }

    public async Task<(HttpStatusCode Status, JsonNode? Body)> GetAsync(string path, CancellationToken ct)
    {
        using var answer = await _http.GetAsync(path, ct);
        return (answer.StatusCode, await ReadAsync(answer, ct));
    }

    public Task<string> TextAsync(string path, CancellationToken ct) => _http.GetStringAsync(path, ct);

    public async Task<JsonObject> WaitForEndAsync(long id, CancellationToken ct)
    {
        var (status, body) = await PostAsync($"/api/v1/jobs/{id}/wait?timeout=50", null, ct);
        Assert.True(status == HttpStatusCode.OK, $"job {id} did not end: {status} {body}{Environment.NewLine}{Tail()}");
        return body!.AsObject();
    }

    public async Task WaitForExitAsync(CancellationToken ct)
    {
        try
        {
            await _process!.WaitForExitAsync(ct).WaitAsync(s_patience, ct);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"the console did not die at its failpoint:{Environment.NewLine}{Tail()}");
        }
        _process!.Dispose();
        _process = null;
    }

    /// <summary>SIGKILL: no finally runs, no buffer is flushed.</summary>
    public async Task KillAsync(CancellationToken ct)
    {
        _process!.Kill();
        await WaitForExitAsync(ct);
    }

    /// <summary>From its next start the database shows its connections under this name.</summary>
    public void NameConnections(string name) =>
        _environment["DEEPLAB_DB"] = new NpgsqlConnectionStringBuilder(_environment["DEEPLAB_DB"])
        {
            ApplicationName = name,
        }.ConnectionString;

    /// <summary>From its next start its every byte to and from the database goes through a proxy; whoever tests goes straight.</summary>
    public ByteProxy PutProxyBeforeDatabase()
    {
        const string Name = ".s.PGSQL.5432";
        _direct = _environment["DEEPLAB_DB"];
        var direct = new NpgsqlConnectionStringBuilder(_direct);
        var folder = Directory.CreateDirectory(Path.Combine(Folder, "db")).FullName;
        var proxy = ByteProxy.Unix(
            Path.Combine(folder, Name),
            new UnixDomainSocketEndPoint(Path.Combine(direct.Host!, Name))
        );
        direct.Host = folder;
        _environment["DEEPLAB_DB"] = direct.ConnectionString;
        return proxy;
    }

    /// <summary>SIGSTOP: it is frozen wherever it is, and its connections stay open.</summary>
    public Task FreezeAsync(CancellationToken ct) => SignalAsync("STOP", ct);

    /// <summary>SIGCONT: it goes on as if no time had passed.</summary>
    public Task ThawAsync(CancellationToken ct) => SignalAsync("CONT", ct);

    /// <summary>Which lease of leadership is its own.</summary>
    public string Identity { get; private set; } = "";

    public int ProcessId => _process!.Id;

    /// <summary>Looks again at every quarter second: what is awaited has no event that crosses processes.</summary>
    public async Task UntilSqlAsync(string condition, string what, CancellationToken ct) =>
        Assert.True(
            await IsTrueBeforeItExitsAsync(condition, what, ct),
            $"the console ended before {what}:{Environment.NewLine}{Tail()}"
        );

    /// <summary>As <see cref="UntilSqlAsync"/>; false where the console ended first.</summary>
    public async Task<bool> IsTrueBeforeItExitsAsync(string condition, string what, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < s_patience)
        {
            // Asked before the condition: what came true just before its end counts
            var exited = HasExited;
            await using var command = Sql.CreateCommand($"select {condition}");
            if (await command.ExecuteScalarAsync(ct) is true)
            {
                return true;
            }
            if (exited)
            {
                return false;
            }
            await Task.Delay(TimeSpan.FromMilliseconds(250), ct);
        }
        Assert.Fail($"{what} did not come true within {s_patience}:{Environment.NewLine}{Tail()}");
        return false;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
        _http.Dispose();
        if (_owned is null)
        {
            await Sql.DisposeAsync();
            Directory.Delete(Folder, recursive: true);
            return;
        }
        await RemoveContainersAsync();
        await Sql.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        await TestDatabases.DropAsync(ConsoleHarness.AdminDatabase, _owned);
    }

    /// <summary>Its probes, and what a failed test left running.</summary>
    private async Task RemoveContainersAsync()
    {
        await using var database = NpgsqlDataSource.Create(_direct ?? _environment["DEEPLAB_DB"]);
        await using var command = database.CreateCommand("select install_id from installations");
        if (await command.ExecuteScalarAsync() is not string install)
        {
            return;
        }
        await using var engine = new DockerEngine(
            new Uri(ConsoleHarness.Engine),
            () => null,
            new EnginePolicy(),
            TimeProvider.System,
            NullLogger<DockerEngine>.Instance
        );
        await ConsoleHarness.ClearAsync(engine, install, CancellationToken.None);
    }

    private async Task UntilReadyAsync(CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < s_patience)
        {
            if (_process!.HasExited)
            {
                // A failpoint on the way to ready: recovery itself was hit
                return;
            }
            try
            {
                using var answer = await _http.GetAsync("/health/ready", ct);
                if (answer.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not listening yet
            }
            await Task.Delay(TimeSpan.FromMilliseconds(50), ct);
        }
        Assert.Fail($"the console was not ready within {s_patience}:{Environment.NewLine}{Tail()}");
    }

    public AuthenticationHeaderValue? Authorization => _http.DefaultRequestHeaders.Authorization;

    public bool HasExited => _process is null || _process.HasExited;

    public string Tail()
    {
        lock (_output)
        {
            return string.Join(Environment.NewLine, _output.TakeLast(40));
        }
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        lock (_output)
        {
            if (e.Data is { } line)
            {
                _output.Add(line);
            }
        }
    }

    private static async Task<JsonNode?> ReadAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        var text = await answer.Content.ReadAsStringAsync(ct);
        try
        {
            return text.Length == 0 ? null : JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    private Task SignalAsync(string name, CancellationToken ct) =>
        Shell.RunAsync("sh", ["-c", string.Create(CultureInfo.InvariantCulture, $"kill -{name} {_process!.Id}")], ct);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
