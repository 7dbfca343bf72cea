using System.Runtime.CompilerServices;
using DeepLab.Core.Clusters;
using Docker.DotNet;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Engines;

/// <summary>
/// One Docker Engine, through Docker.DotNet; logs, events and stats are read as plain HTTP streams, since the library
/// allocates per line and its own readers cut lines. This part: connecting, and how a call is bounded.
/// </summary>
public sealed partial class DockerEngine : IContainerEngine
{
    /// <summary>The newest API whose answers this code was tried with.</summary>
    private static readonly Version KnownApi = new(1, 47);
    private static readonly TimeSpan Ordinary = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(60);

    /// <summary>A call that may take longer goes on as long as the engine answers a ping, asked and answered within this each.</summary>
    private static readonly TimeSpan Pulse = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Unbounded = Timeout.InfiniteTimeSpan;

    /// <summary>Four starts keep a two-core engine busy; more only wait inside it (4.8 containers/s at 4, 8 and 16).</summary>
    private const int StartsInFlight = 4;

    private readonly Uri _address;
    private readonly EngineSocket _socket;
    private readonly EnginePolicy _policy;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _connecting = new(1);
    private readonly SemaphoreSlim _networks = new(1);
    private readonly SemaphoreSlim _starts = new(StartsInFlight);
    private readonly ImagePulls _pulls;
    private readonly HttpClient _streams;
    private Connection? _connection;

    private sealed record Connection(DockerClient Client, Version Api);

    /// <param name="logins">what opens registries for pulls; null = nothing does</param>
    /// <param name="credentials">asked at the first connection to a `tcp://` engine; null = none, so that it is refused</param>
    public DockerEngine(
        Uri address,
        Func<EngineCredentials?> credentials,
        EnginePolicy policy,
        TimeProvider time,
        ILogger<DockerEngine> log,
        IRegistryLogins? logins = null
    )
    {
        (_address, _policy, _time, _log) = (address, policy, time, log);
        _socket = new EngineSocket(address, credentials);
        _pulls = new ImagePulls(time, logins);
        _streams = new HttpClient(
            new SocketsHttpHandler
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ActivityHeadersPropagator = null,
                // A follower that stops reading closes its connection at once, so that the engine stops sending
                MaxResponseDrainSize = 0,
                ConnectCallback = async (_, ct) => new ReadAhead(await _socket.OpenAsync(ct)),
            }
        )
        {
            BaseAddress = EngineTransport.HttpBase(address),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public Task<EngineInfo> InfoAsync(CancellationToken ct) =>
        CallAsync(
            Ordinary,
            async (connection, bounded) =>
            {
                var info = await connection.Client.System.GetSystemInfoAsync(bounded);
                // Asked again: what stands below the engine may be newer than our connection to it
                var version = await connection.Client.System.GetVersionAsync(bounded);
                return new EngineInfo(
                    info.ID,
                    info.Name,
                    info.ServerVersion,
                    connection.Api.ToString(),
                    info.OperatingSystem,
                    info.KernelVersion,
                    info.NCPU,
                    info.MemTotal,
                    info.Runtimes?.ContainsKey("nvidia") == true,
                    info.LiveRestoreEnabled,
                    DateTimeOffset.TryParse(info.SystemTime, out var at) ? at : null
                )
                {
                    RuncVersion = version.Components?.FirstOrDefault(c => c.Name == "runc")?.Version ?? "",
                    SwarmNodeId = info.Swarm is { LocalNodeState: "active" } swarm ? swarm.NodeID : null,
                };
            },
            ct
        );

    private Task CallAsync(TimeSpan bound, Func<DockerClient, CancellationToken, Task> call, CancellationToken ct) =>
        CallAsync(
            bound,
            async (connection, bounded) =>
            {
                await call(connection.Client, bounded);
                return true;
            },
            ct
        );

    private async Task<T> CallAsync<T>(
        TimeSpan bound,
        Func<Connection, CancellationToken, Task<T>> call,
        CancellationToken ct,
        [CallerMemberName] string verb = ""
    )
    {
        using var timeout = new CancellationTokenSource(bound, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        using var done = new CancellationTokenSource();
        var began = _time.GetTimestamp();
        var pulse = bound > Ordinary || bound == Unbounded ? WatchAsync(timeout, done.Token) : Task.CompletedTask;
        try
        {
            return await call(await ConnectAsync(both.Token), both.Token);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new EngineUnreachableException(
                $"The engine at {_address} did not answer {verb} within {_time.GetElapsedTime(began).TotalSeconds:0} s.",
                e
            );
        }
        catch (Exception e) when (!ct.IsCancellationRequested && EngineErrors.Covers(e))
        {
            Forget(e);
            throw EngineErrors.Map(e, _address);
        }
        catch (Exception e) when (e is not DockerApiException && EngineErrors.Covers(e))
        {
            // A connection that was cut by the cancellation itself
            throw new OperationCanceledException(e.Message, e, ct);
        }
        finally
        {
            await done.CancelAsync();
            await pulse.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Cancels the call once the engine does not answer a ping either.</summary>
    private async Task WatchAsync(CancellationTokenSource call, CancellationToken done)
    {
        while (true)
        {
            await Task.Delay(Pulse, _time, done);
            using var timeout = new CancellationTokenSource(Pulse, _time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(done, timeout.Token);
            try
            {
                await (await ConnectAsync(both.Token)).Client.System.PingAsync(both.Token);
            }
            catch (Exception e)
                when (!done.IsCancellationRequested && (e is OperationCanceledException || EngineErrors.Covers(e)))
            {
                await call.CancelAsync();
                return;
            }
        }
    }

    /// <summary>
    /// Neither the library nor the engine negotiates: asked in a version the engine does not know, it answers 400. So
    /// the first question is unversioned, and the rest goes on in the lesser of the two versions.
    /// </summary>
    private async Task<Connection> ConnectAsync(CancellationToken ct)
    {
        if (_connection is { } known)
        {
            return known;
        }
        await _connecting.WaitAsync(ct);
        try
        {
            if (_connection is { } meanwhile)
            {
                return meanwhile;
            }
            using var probe = Client(null);
            var version = await probe.System.GetVersionAsync(ct);
            var newest = Version.Parse(version.APIVersion);
            var api = newest < KnownApi ? newest : KnownApi;
            Log.Connected(_log, _address, version.Version, api.ToString());
            return _connection = new Connection(Client(api), api);
        }
        finally
        {
            _connecting.Release();
        }
    }

    private DockerClient Client(Version? api)
    {
        var builder = new DockerClientBuilder().WithEndpoint(_address).WithTimeout(Timeout.InfiniteTimeSpan);
        if (api is not null)
        {
            builder = builder.WithApiVersion(api);
        }
        return builder.WithTransportOptions(new EngineTransport(_socket), new EngineTransportOptions()).Build();
    }

    /// <summary>The engine was replaced by an older one: negotiate anew at the next call.</summary>
    private void Forget(Exception e)
    {
        if (
            e is DockerApiException { StatusCode: System.Net.HttpStatusCode.BadRequest }
            && e.Message.Contains("client version")
        )
        {
            _connection = null;
        }
    }

    public ValueTask DisposeAsync()
    {
        _connection?.Client.Dispose();
        _streams.Dispose();
        _connecting.Dispose();
        _starts.Dispose();
        _networks.Dispose();
        return ValueTask.CompletedTask;
    }
}
