using System.Collections.Concurrent;
using DeepLab.Core.Clusters;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Engines;

/// <summary>
/// One client per address and credentials for the life of the process: the start limit and the pulls are per engine.
/// </summary>
public sealed class EngineFactory(
    EnginePolicy policy,
    SecretBox box,
    TimeProvider time,
    ILogger<DockerEngine> log,
    IRegistryLogins? logins = null
) : IEngineFactory, IAsyncDisposable
{
    private readonly ConcurrentDictionary<(string Address, string? Sealed), Lazy<DockerEngine>> _engines = new();

    /// <exception cref="ArgumentException">The address is neither `unix:///path` nor `tcp://address:port`.</exception>
    public IContainerEngine Get(string address, string? sealedCredentials = null) =>
        _engines
            .GetOrAdd(
                (address, sealedCredentials),
                static (k, f) => new Lazy<DockerEngine>(() => f.Make(k.Address, k.Sealed)),
                this
            )
            .Value;

    private DockerEngine Make(string address, string? sealedCredentials) =>
        EngineAddress.TryParse(address, out var uri)
            ? new DockerEngine(
                uri,
                // At the first connection: credentials that cannot be read make one host unreachable, not the loop fail
                () => sealedCredentials is null ? null : EngineCredentials.Open(box, sealedCredentials),
                policy,
                time,
                log,
                logins
            )
            : throw new ArgumentException(
                $"\"{address}\" is no engine address; {EngineAddress.Allowed} are.",
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
