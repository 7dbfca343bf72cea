using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>
/// Before the programs of a round that spans hosts begin, while they are still held: how fast the round's network is between
/// each two of its hosts. Once in a while for each pair, a few seconds at most, and whatever goes wrong, the programs begin.
/// </summary>
public sealed partial class PairChecks(
    PairWrites pairs,
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    InstallationId installation,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<PairChecks> logger
)
{
    /// <summary>So long a round may be held for it.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_removal = TimeSpan.FromSeconds(20);

    /// <summary>Rounds that are remembered after their end: drivers that are late ask again.</summary>
    private const int MostKept = 500;

    /// <summary>Hosts of one round that are looked at.</summary>
    private const int MostSeats = 64;
    private const string NoPerl = "its probe image has no perl";
    private const string Begun = "its programs have begun";

    private readonly ConcurrentDictionary<(long Workload, int Round), Lazy<Check>> _checks = new();
    private readonly ConcurrentDictionary<string, bool> _names = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Guid, bool> _busy = new();

    private sealed class Check
    {
        public TaskCompletionSource Measured { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Until what it made is gone.</summary>
        public Task Whole { get; set; } = Task.CompletedTask;
    }

    /// <param name="ContainerId">of one of its replicas</param>
    private sealed record Seat(Guid HostId, string Host, IContainerEngine Engine, string ContainerId);

    /// <param name="Trouble">why it is not there; null where it is</param>
    private sealed record Helper(Seat Seat, string Alias, string? ContainerId, string? Trouble);

    /// <summary>Whether a container of <see cref="PairPlans.Kind"/> is still needed.</summary>
    internal bool Uses(string containerName) => _names.ContainsKey(containerName);

    /// <summary>Completes, and never fails, when the round's programs may begin. Its first caller starts it.</summary>
    internal Task Of(LeaderTerm term, Workload w, int round)
    {
        if (_checks.Count > MostKept)
        {
            foreach (
                var (key, check) in _checks.Where(c =>
                    c.Value is { IsValueCreated: true, Value.Whole.IsCompleted: true }
                )
            )
            {
                _checks.TryRemove(key, out _);
            }
        }
        return _checks
            .GetOrAdd(
                (w.Id, round),
                _ => new Lazy<Check>(() =>
                {
                    var check = new Check();
                    check.Whole = RunAsync(term, w, round, check.Measured);
                    return check;
                })
            )
            .Value.Measured.Task;
    }

    private async Task RunAsync(LeaderTerm term, Workload w, int round, TaskCompletionSource measured)
    {
        await Task.Yield();
        try
        {
            using var budget = new CancellationTokenSource(Longest, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(term.Ended, budget.Token);
            await CheckAsync(term, w, round, measured, both.Token);
        }
        catch (OperationCanceledException)
        {
            // Its time, or the term's, is over
        }
        catch (Exception e)
        {
            // A reading less is no reason to hold a job, nor to end the loop
            Log.Failed(logger, e, w.Id);
        }
        finally
        {
            measured.TrySetResult();
        }
    }

    private async Task CheckAsync(
        LeaderTerm term,
        Workload w,
        int round,
        TaskCompletionSource measured,
        CancellationToken ct
    )
    {
        var seats = (await SeatsAsync(w, round, ct)).ToDictionary(s => s.HostId);
        var all = PairTurns.Among([.. seats.Keys]).ToArray();
        var due = await pairs.DueAsync(all, ct);
        if (due.Count == 0 && !await pairs.IsAnySlowAsync(all, ct))
        {
            return;
        }
        var why = await WhyNotHeldAsync(seats.Values, ct);
        if (why == Begun)
        {
            return;
        }
        if (due.Count == 0 || why is not null)
        {
            var none = PairTurns.Some(due).ToDictionary(p => p, _ => ((PairFigures?)null, why ?? ""));
            await pairs.SaveAsync(term, w.Id, none, all);
            return;
        }
        var mine = new List<Guid>();
        try
        {
            foreach (var host in due.SelectMany(p => (Guid[])[p.First, p.Second]).Distinct())
            {
                // Two jobs that measure one host at once would share its link
                if (_busy.TryAdd(host, true))
                {
                    mine.Add(host);
                }
            }
            var chosen = PairTurns.Some(due.Where(p => mine.Contains(p.First) && mine.Contains(p.Second)));
            await MeasureAsync(term, w, round, seats, chosen, all, measured, ct);
        }
        finally
        {
            foreach (var host in mine)
            {
                _busy.TryRemove(host, out _);
            }
        }
    }

    /// <summary>One replica of each host.</summary>
    private async Task<IReadOnlyList<Seat>> SeatsAsync(Workload w, int round, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var found = await db
            .Attempts.AsNoTracking()
            .Where(a =>
                a.WorkloadId == w.Id && a.Round == round && a.State == AttemptState.Running && a.ContainerId != null
            )
            .OrderBy(a => a.Id)
            .Join(
                db.Hosts,
                a => a.HostId,
                h => h.Id,
                (a, h) =>
                    new
                    {
                        h.Id,
                        h.Name,
                        h.Address,
                        h.SealedCredentials,
                        a.ContainerId,
                    }
            )
            .ToListAsync(ct);
        var seats = found.DistinctBy(h => h.Id).ToArray();
        var from = (int)(w.Id % Math.Max(1, seats.Length));
        return
        [
            .. seats
                .Skip(from)
                .Concat(seats.Take(from))
                .Take(MostSeats)
                .Select(h => new Seat(h.Id, h.Name, engines.Get(h.Address, h.SealedCredentials), h.ContainerId!)),
        ];
    }

    private async Task MeasureAsync(
        LeaderTerm term,
        Workload w,
        int round,
        Dictionary<Guid, Seat> seats,
        IReadOnlyList<(Guid First, Guid Second)> chosen,
        IReadOnlyCollection<(Guid First, Guid Second)> all,
        TaskCompletionSource measured,
        CancellationToken ct
    )
    {
        var results = new ConcurrentDictionary<(Guid First, Guid Second), (PairFigures? Figures, string Why)>();
        var hosts = chosen.SelectMany(p => (Guid[])[p.First, p.Second]).Distinct().Select(h => seats[h]).ToArray();
        var name = PairPlans.NameOf(installation.Value, w.Id, round);
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var helpers = new Helper[hosts.Length];
        _names[name] = true;
        try
        {
            try
            {
                await Task.WhenAll(
                    hosts.Select(async (seat, i) => helpers[i] = await StartAsync(seat, i, w, round, name, token, ct))
                );
                var of = helpers.ToDictionary(h => h.Seat.HostId);
                foreach (var turn in PairTurns.Turns(chosen))
                {
                    await Task.WhenAll(
                        turn.Select(async p => results[p] = await AskAsync(of[p.First], of[p.Second], ct))
                    );
                }
            }
            catch (OperationCanceledException) when (!term.Ended.IsCancellationRequested)
            {
                // What was found counts; those whose turn it was not are first the next time
                if (results.IsEmpty)
                {
                    var why = $"it took more than {Longest.TotalSeconds:0} s";
                    foreach (var pair in chosen)
                    {
                        results[pair] = (null, why);
                    }
                }
            }
            // The link is free again, and the programs may have it
            measured.TrySetResult();
            await pairs.SaveAsync(term, w.Id, results, all);
        }
        finally
        {
            measured.TrySetResult();
            await Task.WhenAll(hosts.Select(h => RemoveAsync(h, name, term)));
            _names.TryRemove(name, out _);
        }
    }

    /// <summary><see cref="Begun"/> where programs run already: after a crash of the console, or where one was started again alone.</summary>
    private static async Task<string?> WhyNotHeldAsync(IEnumerable<Seat> seats, CancellationToken ct)
    {
        var looks = await Task.WhenAll(
            seats.Select(async s =>
                await s.Engine.StatAsync(s.ContainerId, Muster.List, ct) is not null ? Begun
                : await s.Engine.StatAsync(s.ContainerId, Muster.Shell, ct) is null
                    ? "the job's image has no shell, so that nothing held its programs meanwhile"
                : null
            )
        );
        return looks.Contains(Begun) ? Begun : looks.FirstOrDefault(l => l is not null);
    }

    private async Task<Helper> StartAsync(
        Seat seat,
        int index,
        Workload w,
        int round,
        string name,
        string token,
        CancellationToken ct
    )
    {
        var alias = $"deeplab-{token[..8]}-{index}";
        var plan = PairPlans.Make(installation.Value, options.ProbeImage, w.Id, round, w.NetworkName!, alias, token);
        try
        {
            var id = await seat.Engine.CreateAsync(plan, ct);
            await seat.Engine.StartAsync(id, ct);
            return new Helper(seat, alias, id, null);
        }
        catch (EngineException e)
        {
            var why = e.Kind == EngineErrorKind.CommandNotFound ? NoPerl : e.Message;
            return new Helper(seat, alias, null, $"the console's container on {seat.Host} did not start: {why}");
        }
        catch (EngineUnreachableException e)
        {
            return new Helper(seat, alias, null, $"the engine of {seat.Host} did not answer: {e.Message}");
        }
    }

    private static async Task<(PairFigures? Figures, string Why)> AskAsync(
        Helper one,
        Helper other,
        CancellationToken ct
    )
    {
        if ((one.Trouble ?? other.Trouble) is { } trouble)
        {
            return (null, trouble);
        }
        var said = new StringBuilder();
        try
        {
            await one.Seat.Engine.ExecAsync(
                one.ContainerId!,
                PairProgram.Client(other.Alias),
                bytes =>
                {
                    var room = PairReading.MostBytes - said.Length;
                    said.Append(Encoding.ASCII.GetString(bytes.Span[..Math.Min(room, bytes.Length)]));
                    return ValueTask.CompletedTask;
                },
                ct
            );
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            return (null, $"the engine of {one.Seat.Host} did not run it: {e.Message}");
        }
        return PairReading.Parse(said.ToString().Replace(other.Alias, other.Seat.Host, StringComparison.Ordinal));
    }

    private async Task RemoveAsync(Seat seat, string name, LeaderTerm term)
    {
        using var bounded = new CancellationTokenSource(s_removal, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(term.Ended, bounded.Token);
        try
        {
            await seat.Engine.RemoveAsync(name, force: true, both.Token);
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException or OperationCanceledException)
        {
            // It ends by itself, and the host's next list takes it away
            Log.Left(logger, seat.Host, name, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Job {Job}: the network between its hosts was not measured")]
        public static partial void Failed(ILogger logger, Exception e, long job);

        [LoggerMessage(LogLevel.Information, "Host {Host}: {Container} is not removed yet: {Error}")]
        public static partial void Left(ILogger logger, string host, string container, string error);
    }
}
