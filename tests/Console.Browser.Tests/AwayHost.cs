using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using DeepLab.Engine.Tests.Faults;
using Microsoft.Playwright;

namespace DeepLab.Browser.Tests;

/// <summary>Another machine than the console's, with two GPUs: a cluster of its own, and a volume on it.</summary>
internal sealed partial class AwayHost : IAsyncDisposable
{
    public const string Cluster = "away";
    public const string Volume = "away-results";
    private const string Name = "away-1";
    private const int Gpus = 2;
    private const int Conflict = 409;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private readonly LabHost _host;
    private readonly Visit _visit;

    private AwayHost(LabHost host, Visit visit) => (_host, _visit) = (host, visit);

    /// <param name="visit">of an admin who is signed in</param>
    public static async Task<AwayHost> UpAsync(Visit visit, CancellationToken ct)
    {
        var away = new AwayHost(await LabHost.UpAsync(Gpus, ct), visit);
        try
        {
            await Shell.LoadImageAsync("pytorch-cpu", away._host.Address, ct);
            await away.EnterAsync();
            return away;
        }
        catch
        {
            await away._host.DisposeAsync();
            throw;
        }
    }

    /// <summary>The IP address of the simulated host whose engine this is; null where it is no simulated one.</summary>
    private static async Task<string?> AddressAsync(string engine)
    {
        var conf = Path.Combine(Path.GetDirectoryName(new Uri(engine).LocalPath)!, "host.conf");
        return File.Exists(conf) && Address().Match(await File.ReadAllTextAsync(conf)) is { Success: true } m
            ? m.Groups["ip"].Value
            : null;
    }

    private async Task EnterAsync()
    {
        await SendAsync("POST", "clusters", new { name = Cluster });
        await SendAsync(
            "POST",
            "hosts",
            new
            {
                name = Name,
                cluster = Cluster,
                address = _host.Address,
                networkAddress = await AddressAsync(_host.Address),
            }
        );
        await SendAsync("POST", "volumes", new { name = Volume, hosts = new[] { Name } });
        var deadline = DateTime.UtcNow + s_patience;
        while (true)
        {
            using var host = await SendAsync("GET", $"hosts/{Name}");
            if (host!.RootElement.GetProperty("gpus").GetArrayLength() == Gpus && IsOpen(host.RootElement))
            {
                return;
            }
            Assert.True(DateTime.UtcNow < deadline, $"{Name} takes no work: {host.RootElement}");
            await Task.Delay(250);
        }
    }

    private static bool IsOpen(JsonElement host) =>
        !host.TryGetProperty("closed", out var closed) || closed.ValueKind == JsonValueKind.Null;

    private async Task<JsonDocument?> SendAsync(string method, string path, object? body = null)
    {
        var answer = await _visit.CallAsync(method, path, body);
        var text = await answer.TextAsync();
        Assert.True(answer.Ok, string.Create(CultureInfo.InvariantCulture, $"{method} {path}: {answer.Status} {text}"));
        return text.Length > 0 ? JsonDocument.Parse(text) : null;
    }

    /// <summary>Takes it out of the console, which other tests look at too, as soon as its last container is gone.</summary>
    public async Task LeaveAsync()
    {
        foreach (var path in (string[])[$"volumes/{Volume}", $"hosts/{Name}", $"clusters/{Cluster}"])
        {
            var deadline = DateTime.UtcNow + s_patience;
            IAPIResponse answer;
            while ((answer = await _visit.CallAsync("DELETE", path)).Status == Conflict && DateTime.UtcNow < deadline)
            {
                await Task.Delay(250);
            }
            Assert.True(answer.Ok, $"{path}: {await answer.TextAsync()}");
        }
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [GeneratedRegex("ADDRESS=\"(?<ip>[0-9.]+)\"", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Address();
}
