using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// A worker for each host there is, for the length of a term: hosts that come get one, that of a host which was taken out
/// ends and takes its probes and its wall along where it answers, and a changed address or changed credentials are another
/// engine's worker.
/// </summary>
internal sealed partial class HostWorkers(
    IEngineFactory engines,
    DriverTools tools,
    IDbContextFactory<ConsoleDb> databases,
    ProbeStarter probes,
    LeaderTerm term
) : IAsyncDisposable
{
    private readonly Dictionary<Guid, Entry> _entries = [];
    private readonly List<(string Address, Task End)> _ending = [];

    private sealed record Entry(HostWorker Worker, Host Host, CancellationTokenSource Over, Task Run);

    public IEnumerable<HostWorker> All => _entries.Values.Select(e => e.Worker);

    /// <summary>Nothing new is placed on the others: what they run was not yet seen in this term.</summary>
    public IReadOnlySet<Guid> Looked() => All.Where(w => w.HasLooked).Select(w => w.Host.Id).ToHashSet();

    /// <summary>Each has seen what its engine runs, or found that it does not answer, or the patience is over.</summary>
    public Task FirstLooksAsync(TimeSpan patience, CancellationToken ct) =>
        Task.WhenAny(Task.WhenAll(All.Select(w => w.FirstLook)), Task.Delay(patience, tools.Time, ct));

    /// <summary>A host that was entered since the last look has none yet; its list finds the attempt.</summary>
    public void EnsureDriver(Guid hostId, long attemptId) =>
        _entries.GetValueOrDefault(hostId)?.Worker.EnsureDriver(attemptId);

    public async Task FollowAsync()
    {
        await using var db = await databases.CreateDbContextAsync(term.Ended);
        var hosts = await db.Hosts.AsNoTracking().ToDictionaryAsync(h => h.Id, term.Ended);
        _ending.RemoveAll(e => e.End.IsCompleted);
        foreach (var (id, entry) in _entries.Where(e => !hosts.ContainsKey(e.Key)).ToArray())
        {
            _entries.Remove(id);
            _ending.Add((entry.Host.Address, EndAsync(entry, takenOut: true)));
        }
        foreach (var host in hosts.Values)
        {
            var known = _entries.GetValueOrDefault(host.Id);
            if (known is { Run.IsCompleted: false } && IsSameEngine(known.Host, host))
            {
                known.Worker.Renew(host);
                continue;
            }
            var before = known is null ? Task.CompletedTask : EndAsync(known, takenOut: false);
            // One that was taken out and is entered again must not lose its new probes and wall to the end of its first worker
            var last = _ending.Where(e => e.Address == host.Address).Select(e => e.End);
            Start(host, Task.WhenAll([before, .. last]));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(
            _entries.Values.Select(e => EndAsync(e, takenOut: false)).Concat(_ending.Select(e => e.End))
        );
        _entries.Clear();
    }

    private static bool IsSameEngine(Host a, Host b) =>
        a.Address == b.Address && a.SealedCredentials == b.SealedCredentials;

    private void Start(Host host, Task before)
    {
        var over = CancellationTokenSource.CreateLinkedTokenSource(term.Ended);
        var worker = new HostWorker(
            host,
            engines.Get(host.Address, host.SealedCredentials),
            tools,
            databases,
            probes,
            term with
            {
                Ended = over.Token,
            }
        );
        _entries[host.Id] = new Entry(worker, host, over, RunAsync(worker, before));
    }

    private async Task RunAsync(HostWorker worker, Task before)
    {
        await Task.Yield();
        // Two workers of one host would drive the same attempts
        await before;
        try
        {
            await worker.RunAsync();
        }
        catch (OperationCanceledException)
        {
            // That is how it ends
        }
        catch (Exception e)
        {
            // The next look starts another: one broken host must not end the loop of the others
            Log.WorkerEnded(tools.Logger, e, worker.Host.Name);
        }
    }

    private async Task EndAsync(Entry entry, bool takenOut)
    {
        await entry.Over.CancelAsync();
        await entry.Run;
        await entry.Worker.DisposeAsync();
        // Calls to one that does not answer would arrive when nobody reckons with them any more
        if (takenOut && entry.Worker.Host.UnreachableSince is null)
        {
            await Task.WhenAll(
                    ProbeStarter.RemoveAsync(entry.Worker.Engine, tools.InstallId, term.Ended),
                    HostWall.RemoveAsync(entry.Worker.Engine, tools.InstallId, term.Ended)
                )
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        entry.Over.Dispose();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Critical, "The worker of host {Host} ended by an error; another is started")]
        public static partial void WorkerEnded(ILogger logger, Exception e, string host);
    }
}
