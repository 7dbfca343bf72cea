using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams.Terminals;

/// <summary>
/// The terminals that were opened at this console. They live in its memory: another console on the same database does not know
/// them, and they end with it.
/// </summary>
public sealed class OpenTerminals(IEngineFactory engines, TerminalLimits limits, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new();

    /// <summary>A terminal that is on its way has its place already.</summary>
    private readonly Dictionary<TerminalRequest, Terminal?> _all = new(ReferenceEqualityComparer.Instance);
    private bool _closed;

    /// <summary>Not to be cancelled: a shell that has begun is in its list, also where who asked is gone.</summary>
    public async Task<TerminalOpening> OpenAsync(TerminalRequest request, TerminalSize size)
    {
        if (Reserve(request) is { } refused)
        {
            return refused;
        }
        Terminal? terminal = null;
        try
        {
            using var patience = new CancellationTokenSource(s_patience, time);
            var engine = engines.Get(request.EngineAddress, request.SealedCredentials);
            if (await Shell.BeginAsync(engine, request.ContainerId, patience.Token) is not { } shell)
            {
                return new TerminalOpening.Refused("The image has no shell (/bin/sh), so there is no terminal in it.");
            }
            terminal = new Terminal(request, engine, shell, limits, time);
            await terminal.ResizeAsync(size, patience.Token);
        }
        catch (EngineException)
        {
            return new TerminalOpening.Ended($"{request.Replica} does not run any more.");
        }
        catch (Exception e) when (e is EngineUnreachableException or OperationCanceledException)
        {
            return new TerminalOpening.Unreachable($"The host of {request.Replica} does not answer; try again later.");
        }
        finally
        {
            Settle(request, terminal);
        }
        if (_closed)
        {
            await terminal.EndAsync(TerminalEndReason.ConsoleStops, "The console stops.");
        }
        return new TerminalOpening.Opened(terminal);
    }

    /// <summary>Null where this console has none of that number in that workload that the user opened.</summary>
    public Terminal? Find(Guid userId, long workloadId, Guid id) =>
        Of(userId, workloadId).FirstOrDefault(t => t.Id == id);

    /// <summary>Those that the user opened in the workload, oldest first.</summary>
    public IReadOnlyList<Terminal> Of(Guid userId, long workloadId) =>
        [
            .. List()
                .Where(t => t.Request.UserId == userId && t.Request.WorkloadId == workloadId)
                .OrderBy(t => t.OpenedAt),
        ];

    /// <summary>All, also those that ended a moment ago.</summary>
    public IReadOnlyList<Terminal> List()
    {
        lock (_gate)
        {
            return [.. _all.Values.OfType<Terminal>()];
        }
    }

    /// <summary>Ends those that nobody looked at for too long, and forgets those that ended.</summary>
    public async Task SweepAsync()
    {
        var now = time.GetUtcNow();
        foreach (var terminal in List())
        {
            if (terminal.End is null && terminal.LeftAt is { } left && now - left > limits.Left)
            {
                await terminal.EndAsync(
                    TerminalEndReason.Left,
                    $"Nobody looked at it for {limits.Left.TotalMinutes:0} minutes."
                );
            }
            if (terminal.EndedAt is { } ended && now - ended > limits.Ended)
            {
                Forget(terminal);
            }
        }
    }

    /// <summary>Takes it out of the lists; it has ended.</summary>
    private void Forget(Terminal terminal)
    {
        lock (_gate)
        {
            _all.Remove(terminal.Request);
        }
        terminal.Dispose();
    }

    /// <summary>The console stops: shells that nobody can come back to end with it.</summary>
    public Task CloseAsync()
    {
        _closed = true;
        return Task.WhenAll(List().Select(t => t.EndAsync(TerminalEndReason.ConsoleStops, "The console stops.")));
    }

    private TerminalOpening? Reserve(TerminalRequest request)
    {
        lock (_gate)
        {
            var open = _all.Where(e => e.Value?.End is null).Select(e => e.Key).ToArray();
            if (open.Count(r => r.UserId == request.UserId) >= limits.MostOfUser)
            {
                return new TerminalOpening.TooMany(
                    $"You have {limits.MostOfUser} terminals open, which is the most a user may have; close one first."
                );
            }
            if (open.Length >= limits.Most)
            {
                return new TerminalOpening.TooMany(
                    $"This console has {limits.Most} terminals open, which is the most it keeps; try again later."
                );
            }
            if (open.Count(r => r.WorkloadId == request.WorkloadId) >= limits.MostOfWorkload)
            {
                return new TerminalOpening.Refused(
                    $"{limits.MostOfWorkload} terminals are open in it, which is the most one job or environment may have; close one first."
                );
            }
            _all.Add(request, null);
            return null;
        }
    }

    private void Settle(TerminalRequest request, Terminal? terminal)
    {
        lock (_gate)
        {
            if (terminal is null)
            {
                _all.Remove(request);
            }
            else
            {
                _all[request] = terminal;
            }
        }
    }
}
