using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Engines;

/// <summary>One client per address for the life of the process: the start limit and the pulls are per engine.</summary>
public sealed class EngineFactory(EnginePolicy policy, TimeProvider time, ILogger<DockerEngine> log)
    : IEngineFactory,
        IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<DockerEngine>> _engines = new(StringComparer.Ordinal);

    /// <exception cref="ArgumentException">The address is neither `unix:///path` nor `tcp://address:port`.</exception>
    public IContainerEngine Get(string address, string? sealedCredentials = null) =>
        _engines.GetOrAdd(address, static (a, f) => new Lazy<DockerEngine>(() => f.Make(a)), this).Value;

    private DockerEngine Make(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "unix" or "tcp"
            ? new DockerEngine(uri, policy, time, log)
            : throw new ArgumentException(
                $"\"{address}\" is no engine address; unix:///path and tcp://address:port are.",
                nameof(address)
            );

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines.Values.Where(e => e.IsValueCreated))
        {
            await engine.Value.DisposeAsync();
        }
    }
}
