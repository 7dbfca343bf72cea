using System.Collections.Concurrent;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Engine.Tests.Engines;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>An engine's own account of what was done to containers of one installation, by a way of its own to it.</summary>
internal sealed class EngineWatch : IAsyncDisposable
{
    private readonly ConcurrentQueue<EngineEvent> _seen = new();
    private readonly CancellationTokenSource _over = new();
    private readonly SemaphoreSlim _more = new(0);
    private Task _reading = Task.CompletedTask;

    private EngineWatch(string address) => Engine = TestEngine.Make(new EnginePolicy(), address);

    public DockerEngine Engine { get; }

    /// <param name="address">where the engine is reached in truth; the console may go another way</param>
    public static async Task<EngineWatch> StartAsync(ConsoleHarness console, string address, CancellationToken ct)
    {
        var watch = new EngineWatch(address);
        // Connected before it returns: an event that comes next is seen
        await watch.Engine.InfoAsync(ct);
        watch._reading = watch.ReadAsync(console.Services.GetRequiredService<InstallationId>().Value);
        return watch;
    }

    /// <summary>Actions on containers of attempts so far, as `create`, in order.</summary>
    public IReadOnlyList<string> Actions =>
        [.. _seen.Where(e => e.Labels.ContainsKey(Labels.Attempt)).Select(e => e.Action)];

    public int Count(string action) => Actions.Count(a => a == action);

    /// <summary>Waits until an action was seen so often.</summary>
    public async Task UntilAsync(string action, int times, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (Count(action) < times)
        {
            await _more.WaitAsync(patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Engine.DisposeAsync();
        _over.Dispose();
        _more.Dispose();
    }

    private async Task ReadAsync(string install)
    {
        await foreach (var e in Engine.EventsAsync(install, _over.Token))
        {
            _seen.Enqueue(e);
            _more.Release();
        }
    }
}
