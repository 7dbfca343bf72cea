namespace DeepLab.Core.Reconcile;

/// <summary>Runs the probes of a host for the length of a session with its engine.</summary>
public sealed class ProbeStarter
{
    public IReadOnlyList<string> NamesFor(string installId) => [];

    internal async Task RunAsync(HostWorker host, DriverTools tools, LeaderTerm term, CancellationToken ct) =>
        await Task.Delay(Timeout.InfiniteTimeSpan, tools.Time, ct);
}
