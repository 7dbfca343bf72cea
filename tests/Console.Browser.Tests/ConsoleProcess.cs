using System.Diagnostics;
using Npgsql;

namespace DeepLab.Browser.Tests;

/// <summary>The real console as a child process, with a database and a data folder of its own, on a real engine.</summary>
public sealed class ConsoleProcess : IAsyncLifetime
{
    public const string UserName = "admin";
    public const string Password = "browser-tests-first-password";
    public const string HostName = "browser-host";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);
    private readonly string _databaseName = $"browser_{Guid.CreateVersion7():N}";
    private readonly List<string> _output = [];
    private TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _data = "";
    private Process? _process;
    private int _gatewayPort;

    public string Address { get; private set; } = "";

    /// <summary>The origin of a container's page.</summary>
    public string GatewayAddress { get; private set; } = "";

    public string ConnectionString =>
        new NpgsqlConnectionStringBuilder(Need("DEEPLAB_TEST_DB")) { Database = _databaseName }.ConnectionString;

    private static string Need(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
            ? value
            : throw new InvalidOperationException($"{name} is not set; run these tests with ./lab test browser.");

    public async ValueTask InitializeAsync()
    {
        await RunAsync($"create database {_databaseName}");
        _data = Directory.CreateTempSubdirectory("deeplab-browser-").FullName;
        Address = $"http://127.0.0.1:{TestPorts.Free()}";
        _gatewayPort = TestPorts.Free();
        GatewayAddress = $"http://1-jupyter.localhost:{_gatewayPort}";
        await StartAsync();
    }

    /// <summary>It ends as in a crash, and begins again at the same address.</summary>
    /// <param name="meanwhile">done while it is away</param>
    public async Task RestartAsync(Func<Task> meanwhile)
    {
        _process!.Exited -= Ended;
        await KillAsync();
        await meanwhile();
        _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await StartAsync();
    }

    private async Task StartAsync()
    {
        var dll = Path.Combine(WebFolder(), "DeepLab.Web.dll");
        var start = new ProcessStartInfo("dotnet", [dll])
        {
            // Static assets are found from the project's folder where nothing was published
            WorkingDirectory = Path.Combine(Root(), "src", "Console.Web"),
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        // What goes wrong in a circuit is told to its browser, and so to the test, by name
        start.Environment["ASPNETCORE_DETAILEDERRORS"] = "true";
        start.Environment["ASPNETCORE_URLS"] = Address;
        start.Environment["DEEPLAB_GATEWAY_URL"] = $"http://*.localhost:{_gatewayPort}";
        start.Environment["DEEPLAB_DB"] = ConnectionString;
        start.Environment["DEEPLAB_DATA"] = _data;
        start.Environment["DOCKER_HOST"] = Need("DEEPLAB_TEST_DOCKER");
        start.Environment["DEEPLAB_HOST_NAME"] = HostName;
        start.Environment["DEEPLAB_HOST_LABELS"] = "simulated=true";
        start.Environment["DEEPLAB_FIRST_PASSWORD"] = Password;
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) => Hear(e.Data);
        _process.ErrorDataReceived += (_, e) => Hear(e.Data);
        _process.Exited += Ended;
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await _listening.Task.WaitAsync(s_patience);
        using var http = new HttpClient();
        var answer = await http.GetAsync(new Uri($"{Address}/health/ready"));
        if (!answer.IsSuccessStatusCode)
        {
            throw Fail($"/health/ready answered {(int)answer.StatusCode}");
        }
    }

    public async Task RunSqlAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        if (_data.Length == 0)
        {
            // It failed before it made anything
            return;
        }
        Directory.Delete(_data, recursive: true);
        await TestDatabases.DropAsync(Need("DEEPLAB_TEST_DB"), _databaseName);
    }

    private void Ended(object? sender, EventArgs e) => _listening.TrySetException(Fail("it ended"));

    private async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
            _process = null;
        }
    }

    private void Hear(string? line)
    {
        if (line is null)
        {
            return;
        }
        lock (_output)
        {
            _output.Add(line);
        }
        if (line.Contains("Now listening on", StringComparison.Ordinal))
        {
            _listening.TrySetResult();
        }
    }

    private InvalidOperationException Fail(string what) =>
        new($"The console did not start: {what}.{Environment.NewLine}{LastWords()}");

    /// <summary>The end of its log.</summary>
    public string LastWords()
    {
        lock (_output)
        {
            return string.Join(Environment.NewLine, _output.TakeLast(40));
        }
    }

    private static async Task RunAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(Need("DEEPLAB_TEST_DB"));
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Of the repository.</summary>
    internal static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "DeepLab.sln")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new InvalidOperationException("The repository's root was not found.");
    }

    /// <summary>The build of the same configuration as these tests.</summary>
    private static string WebFolder()
    {
        var framework = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(Root(), "src", "Console.Web", "bin", framework.Parent!.Name, framework.Name);
    }
}
