using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;
using Npgsql;

namespace DeepLab.Bench;

/// <summary>
/// The console as a process of its own, as it is run in earnest, on a fresh database and data folder; measured through
/// its doors. What it made is removed with it.
/// </summary>
internal sealed class BenchConsole : IAsyncDisposable
{
    private const string Password = "a-password-for-benchmarks";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly string _database;
    private readonly string _folder;
    private readonly Uri _address;
    private readonly ConsoleOutput _output = new();
    private readonly Dictionary<string, string> _settings = [];
    private Process? _process;

    private BenchConsole(string database, string folder, Uri address)
    {
        (_database, _folder, _address) = (database, folder, address);
        Sql = NpgsqlDataSource.Create(database);
        Http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
    }

    public NpgsqlDataSource Sql { get; }

    /// <summary>Signed in as the first admin.</summary>
    public HttpClient Http { get; }
    public int Pid => _process!.Id;
    public ConsoleOutput Output => _output;

    /// <summary>Makes a database, starts a console on it, signs in, and returns when its host is ready with its GPUs.</summary>
    public static async Task<BenchConsole> StartNewAsync(
        CancellationToken ct,
        params (string Name, string Value)[] settings
    )
    {
        var name = $"bench_{Guid.CreateVersion7():N}";
        await using (var admin = NpgsqlDataSource.Create(Setting.Database))
        {
            await admin.ExecuteAsync($"create database {name}", ct);
        }
        var console = new BenchConsole(
            new NpgsqlConnectionStringBuilder(Setting.Database) { Database = name }.ConnectionString,
            Directory.CreateTempSubdirectory("deeplab-bench-").FullName,
            new Uri($"http://127.0.0.1:{FreePort()}")
        );
        foreach (var (setting, value) in settings)
        {
            console._settings[setting] = value;
        }
        try
        {
            await console.StartAsync(ct);
            await console.SignInAsync(ct);
            await console.UntilAsync(
                "exists (select from hosts where state = 'Ready')",
                "a ready host",
                s_patience,
                ct
            );
            await console.UntilAsync("exists (select from gpus)", "the host's inventory of GPUs", s_patience, ct);
            return console;
        }
        catch
        {
            await console.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the process, and returns when it answers that it is ready.</summary>
    public async Task StartAsync(CancellationToken ct)
    {
        var start = new ProcessStartInfo("dotnet", [Setting.Console])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetDirectoryName(Setting.Console),
        };
        start.Environment["DEEPLAB_DB"] = _database;
        start.Environment["DEEPLAB_DATA"] = _folder;
        start.Environment["DOCKER_HOST"] = Setting.Engine;
        start.Environment["DEEPLAB_FIRST_PASSWORD"] = Password;
        start.Environment["ASPNETCORE_URLS"] = _address.ToString();
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        foreach (var (setting, value) in _settings)
        {
            start.Environment[setting] = value;
        }
        _process = Process.Start(start)!;
        _output.Attach(_process);
        var began = Stopwatch.GetTimestamp();
        while (!await IsReadyAsync(ct))
        {
            BenchException.Require(
                !_process.HasExited && Stopwatch.GetElapsedTime(began) < s_patience,
                $"the console did not become ready:{Environment.NewLine}{_output.Tail()}"
            );
            await Task.Delay(TimeSpan.FromMilliseconds(20), ct);
        }
    }

    /// <summary>SIGKILL: nothing is flushed, nothing is told.</summary>
    public async Task KillAsync(CancellationToken ct)
    {
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync(ct);
            process.Dispose();
            _process = null;
        }
    }

    /// <param name="signal">STOP or CONT</param>
    public async Task SignalAsync(string signal, CancellationToken ct)
    {
        var (code, output, _) = await Machine.CommandAsync(["kill", "-" + signal, Pid.ToString()], null, ct);
        BenchException.Require(code == 0, $"the console did not take SIG{signal}: {output}");
    }

    public async Task<long> SubmitAsync(JobSpec spec, CancellationToken ct) => await SubmitAsync(Body(spec), ct);

    /// <summary>The body of a submission, made once: turning a spec into text is not the console's work.</summary>
    public static byte[] Body(JobSpec spec) => System.Text.Encoding.UTF8.GetBytes(SpecWriter.Write(spec));

    public async Task<long> SubmitAsync(byte[] body, CancellationToken ct)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var answer = await Http.PostAsync("/api/v1/jobs", content, ct);
        await using var stream = await answer.Content.ReadAsStreamAsync(ct);
        if (answer.StatusCode != HttpStatusCode.Created)
        {
            using var reader = new StreamReader(stream);
            throw new BenchException($"a job was refused: {answer.StatusCode} {await reader.ReadToEndAsync(ct)}");
        }
        using var json = await JsonDocument.ParseAsync(stream, default, ct);
        return json.RootElement.GetProperty("id").GetInt64();
    }

    /// <summary>Waits for the end of a job, and for success; then until its container is cleaned away.</summary>
    public async Task SucceededAsync(long id, CancellationToken ct)
    {
        using var answer = await Http.PostAsync($"/api/v1/jobs/{id}/wait?timeout=300", null, ct);
        var job = await answer.Content.ReadFromJsonAsync<JsonObject>(ct);
        BenchException.Require(
            (string?)job?["state"] == nameof(WorkloadState.Succeeded),
            $"job {id} is {job?["state"]}: {job?["message"]}"
        );
        await UntilAsync(
            $"bool_and(container_removed) from attempts where workload_id = {id}",
            $"the containers of job {id} removed",
            s_patience,
            ct
        );
    }

    public Task RunningAsync(long id, CancellationToken ct) =>
        UntilAsync($"state = 'Running' from workloads where id = {id}", $"job {id} running", s_patience, ct);

    public Task<string> TextAsync(long id, CancellationToken ct) => Http.GetStringAsync($"/api/v1/jobs/{id}/logs", ct);

    /// <summary>Follows a job's log as text, from its first line, to its end.</summary>
    public async Task<Reading> FollowAsync(long id, CancellationToken ct)
    {
        using var answer = await Http.GetAsync(
            $"/api/v1/jobs/{id}/logs?follow=true&from=0",
            HttpCompletionOption.ResponseHeadersRead,
            ct
        );
        answer.EnsureSuccessStatusCode();
        return await Reading.OfAsync(await answer.Content.ReadAsStreamAsync(ct), ct);
    }

    public Task<string> InstallIdAsync(CancellationToken ct) =>
        Sql.ScalarAsync<string>("select install_id from installations", ct);

    /// <summary>Asks the database every ten milliseconds; answers when it said yes.</summary>
    public async Task<long> UntilAsync(string condition, string what, TimeSpan patience, CancellationToken ct)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            if (await Sql.ScalarAsync<object>($"select {condition}", ct) is true)
            {
                return Stopwatch.GetTimestamp();
            }
            BenchException.Require(
                Stopwatch.GetElapsedTime(began) < patience,
                $"{what} did not come true within {patience.TotalSeconds:0} s:{Environment.NewLine}{_output.Tail()}"
            );
            await Task.Delay(TimeSpan.FromMilliseconds(10), ct);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await KillAsync(patience.Token);
        await using (var engine = await BareEngine.MakeAsync(patience.Token))
        {
            await engine.RemoveAllAsync(await InstallIdAsync(patience.Token), patience.Token);
        }
        Http.Dispose();
        await Sql.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        var name = new NpgsqlConnectionStringBuilder(_database).Database;
        await TestDatabases.DropAsync(Setting.Database, name, patience.Token);
    }

    private async Task SignInAsync(CancellationToken ct)
    {
        using var answer = await Http.PostAsJsonAsync(
            "/api/v1/session",
            new { userName = "admin", password = Password },
            ct
        );
        answer.EnsureSuccessStatusCode();
        var session = await answer.Content.ReadFromJsonAsync<JsonObject>(ct);
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (string)session!["token"]!);
    }

    private async Task<bool> IsReadyAsync(CancellationToken ct)
    {
        try
        {
            using var answer = await Http.GetAsync("/health/ready", ct);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // Not listening yet
            return false;
        }
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
