using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;

namespace DeepLab.Core.Tests.Engines;

/// <summary>
/// An engine in memory, driven by its test: it starts containers and does nothing else by itself. What a container writes
/// and how it ends, which calls fail, and when the engine is away, the test says.
/// </summary>
public sealed partial class FakeEngine(TimeProvider time) : IContainerEngine
{
    private readonly ConcurrentDictionary<string, FakeContainer> _containers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Channel<EngineEvent>, string> _listeners = new();
    private readonly ConcurrentDictionary<string, ConcurrentQueue<(Exception Error, bool After)>> _failures = new();
    private CancellationTokenSource _away = new();
    private volatile bool _isAway;
    private int _ids;

    public EngineInfo Info { get; set; } =
        new("fake", "fake", "0.0", "1.47", "Fake OS", "0", 8, 64L << 30, true, false, null);

    /// <summary>Images that are there.</summary>
    public ConcurrentDictionary<string, ImageInfo> Images { get; } = new();

    /// <summary>Images that a pull finds.</summary>
    public ConcurrentDictionary<string, ImageInfo> Registry { get; } = new();

    /// <summary>Called when a container was started, before the caller hears of it.</summary>
    public Action<FakeContainer>? OnStart { get; set; }
    public Func<
        FakeContainer,
        IReadOnlyList<string>,
        (int ExitCode, byte[] Output, string Stderr)
    >? OnExec { get; set; }

    /// <summary>Every verb that arrived, in order.</summary>
    public ConcurrentQueue<(string Verb, string Subject)> Calls { get; } = new();

    /// <summary>GPUs that two running containers held at once: must stay empty.</summary>
    public ConcurrentQueue<string> GpusHeldTwice { get; } = new();

    public IReadOnlyCollection<FakeContainer> Containers => [.. _containers.Values];

    public FakeContainer this[string idOrName] =>
        Find(idOrName) ?? throw new KeyNotFoundException($"The fake engine has no {idOrName}.");

    /// <summary>Nothing answers any more and every stream breaks, until <see cref="Return"/>. Containers go on.</summary>
    public void GoAway()
    {
        _isAway = true;
        Interlocked.Exchange(ref _away, new CancellationTokenSource()).Cancel();
    }

    public void Return() => _isAway = false;

    /// <summary>Breaks what streams now; the next call is answered.</summary>
    public void BreakStreams() => Interlocked.Exchange(ref _away, new CancellationTokenSource()).Cancel();

    /// <summary>The next call of the verb (`CreateAsync`, …) fails so, undone.</summary>
    public void FailNext(string verb, Exception error) => Queue(verb).Enqueue((error, After: false));

    /// <summary>The next call of the verb is done, and its reply is lost.</summary>
    public void LoseReplyOf(string verb) =>
        Queue(verb).Enqueue((new EngineUnreachableException($"The reply of {verb} was lost."), After: true));

    /// <summary>Failures and lost replies that were asked for and have not come yet do not come any more.</summary>
    public void FailNoMore() => _failures.Clear();

    /// <summary>The program ends. False where it had ended before: an end is never overwritten.</summary>
    public bool End(string idOrName, int exitCode, bool oomKilled = false) => End(this[idOrName], exitCode, oomKilled);

    public bool End(FakeContainer c, int exitCode, bool oomKilled = false)
    {
        lock (_containers)
        {
            if (c.FinishedAt is not null)
            {
                return false;
            }
            if (oomKilled)
            {
                Tell(c, "oom");
            }
            c.End(exitCode, oomKilled);
            Tell(c, "die", ("exitCode", exitCode.ToString()));
            return true;
        }
    }

    /// <summary>The program ends, unless it was ended a moment before: false then.</summary>
    public bool TryEnd(string idOrName, int exitCode)
    {
        lock (_containers)
        {
            if (!this[idOrName].IsRunning)
            {
                return false;
            }
            End(idOrName, exitCode);
            return true;
        }
    }

    /// <summary>An event that nothing stands behind.</summary>
    public void Claim(string idOrName, string action) => Tell(this[idOrName], action);

    /// <summary>Someone else removed it.</summary>
    public void Vanish(string idOrName)
    {
        lock (_containers)
        {
            var c = this[idOrName];
            _containers.TryRemove(c.Id, out _);
            if (c.IsRunning)
            {
                c.End(137, oomKilled: false);
            }
            Tell(c, "destroy");
        }
    }

    public Task<EngineInfo> InfoAsync(CancellationToken ct) => DoAsync("", () => Info, ct);

    public Task<ImageInfo?> FindImageAsync(string reference, CancellationToken ct) =>
        DoAsync(reference, () => Images.GetValueOrDefault(reference), ct);

    public Task PullAsync(string reference, IProgress<PullProgress>? progress, CancellationToken ct) =>
        DoAsync(
            reference,
            () =>
            {
                if (!Registry.TryGetValue(reference, out var image))
                {
                    throw new EngineException(EngineErrorKind.ImageNotFound, $"manifest for {reference} not found");
                }
                progress?.Report(new PullProgress(reference, 0.5, "Downloading"));
                progress?.Report(new PullProgress(reference, 1, "Pull complete"));
                return Images[reference] = image;
            },
            ct
        );

    public Task<string> CreateAsync(ContainerPlan plan, CancellationToken ct) =>
        DoAsync(
            plan.Name,
            () =>
            {
                if (!Images.ContainsKey(plan.Image))
                {
                    throw new EngineException(EngineErrorKind.ImageNotFound, $"No such image: {plan.Image}");
                }
                if (Find(plan.Name) is { } holder)
                {
                    throw new EngineException(
                        EngineErrorKind.NameTaken,
                        $"The container name \"/{plan.Name}\" is already in use by container \"{holder.Id}\"."
                    );
                }
                var c = new FakeContainer($"{Interlocked.Increment(ref _ids):x64}", plan, time);
                _containers[c.Id] = c;
                Tell(c, "create");
                return c.Id;
            },
            ct
        );

    public Task StartAsync(string id, CancellationToken ct) =>
        DoAsync(
            id,
            () =>
            {
                var c = Need(id);
                if (c.State == ContainerState.Created)
                {
                    foreach (var gpu in c.Plan.GpuUuids)
                    {
                        if (Containers.Any(o => o.IsRunning && o.Plan.GpuUuids.Contains(gpu)))
                        {
                            GpusHeldTwice.Enqueue(gpu);
                        }
                    }
                    c.Start();
                    Tell(c, "start");
                    OnStart?.Invoke(c);
                }
                return true;
            },
            ct
        );

    public Task StopAsync(string id, TimeSpan grace, CancellationToken ct) =>
        DoAsync(
            id,
            () =>
            {
                var c = Need(id);
                if (c.IsRunning)
                {
                    End(id, c.ExitCodeOnTerm ?? 137);
                }
                return true;
            },
            ct
        );

    public Task RemoveAsync(string id, bool force, CancellationToken ct) =>
        DoAsync(
            id,
            () =>
            {
                if (Find(id) is { } c)
                {
                    if (c.IsRunning && !force)
                    {
                        throw new EngineException(EngineErrorKind.Conflict, "You cannot remove a running container.");
                    }
                    Vanish(id);
                }
                return true;
            },
            ct
        );

    public Task<ContainerReport?> InspectAsync(string idOrName, CancellationToken ct) =>
        DoAsync(idOrName, () => Find(idOrName)?.Report(), ct);

    public Task<IReadOnlyList<ContainerSummary>> ListAsync(string installId, CancellationToken ct) =>
        DoAsync<IReadOnlyList<ContainerSummary>>(
            installId,
            () =>
                [
                    .. Containers
                        .Where(c => IsOf(c, installId))
                        .Select(c => new ContainerSummary(c.Id, c.Plan.Name, c.State, c.Plan.Labels)),
                ],
            ct
        );

    public async IAsyncEnumerable<EngineEvent> EventsAsync(
        string installId,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        await DoAsync(installId, () => true, ct);
        var channel = Channel.CreateUnbounded<EngineEvent>();
        _listeners[channel] = installId;
        try
        {
            while (true)
            {
                await WaitAsync(channel.Reader.WaitToReadAsync(ct).AsTask(), ct);
                while (channel.Reader.TryRead(out var e))
                {
                    yield return e;
                }
            }
        }
        finally
        {
            _listeners.TryRemove(channel, out _);
        }
    }

    public async IAsyncEnumerable<ContainerUsage> StatsAsync(string id, [EnumeratorCancellation] CancellationToken ct)
    {
        await DoAsync(id, () => true, ct);
        var c = Need(id);
        ContainerUsage? last = null;
        while (c.IsRunning)
        {
            var changed = c.Changed;
            if (c.Usage is { } usage && usage != last)
            {
                yield return last = usage;
            }
            await WaitAsync(changed, ct);
        }
    }

    public async IAsyncEnumerable<LogFrame> LogsAsync(
        string id,
        LogQuery query,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        await DoAsync(id, () => true, ct);
        var c = Need(id);
        var (next, end) = c.Window(query.Tail);
        while (true)
        {
            var changed = c.Changed;
            var wasRunning = c.IsRunning;
            while ((query.Follow || next < end) && c.Frame(ref next) is { } frame)
            {
                if (query.SinceUnixNanos is not { } since || frame.UnixNanos >= since)
                {
                    yield return frame;
                }
                Answers();
            }
            if (!query.Follow || !wasRunning)
            {
                yield break;
            }
            await WaitAsync(changed, ct);
        }
    }

    public async Task<ExecResult> ExecAsync(
        string id,
        IReadOnlyList<string> argv,
        Func<ReadOnlyMemory<byte>, ValueTask> onOutput,
        CancellationToken ct
    )
    {
        var (exitCode, output, stderr) = await DoAsync(
            id,
            () =>
                !Need(id).IsRunning
                    ? throw new EngineException(EngineErrorKind.Conflict, $"Container {id} is not running")
                    : OnExec?.Invoke(Need(id), argv) ?? (127, [], "the fake runs no programs"),
            ct
        );
        await onOutput(output);
        return new ExecResult(exitCode, stderr);
    }

    public async Task PutArchiveAsync(string id, string path, Stream tar, CancellationToken ct)
    {
        using var copy = new MemoryStream();
        await tar.CopyToAsync(copy, ct);
        await DoAsync(id, () => Need(id).Archives[path] = copy.ToArray(), ct);
    }

    /// <summary>Its programs write no files.</summary>
    public Task<PathStat?> StatAsync(string id, string path, CancellationToken ct) =>
        DoAsync<PathStat?>(id, () => null, ct);

    /// <summary>What was put there; its images have a shell.</summary>
    public Task<Stream?> GetArchiveAsync(string id, string path, CancellationToken ct) =>
        DoAsync<Stream?>(
            id,
            () =>
                Need(id).Archives.TryGetValue(path, out var tar) ? new MemoryStream(tar)
                : path == Muster.Shell ? new MemoryStream()
                : null,
            ct
        );

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task<T> DoAsync<T>(
        string subject,
        Func<T> act,
        CancellationToken ct,
        [CallerMemberName] string verb = ""
    )
    {
        await Task.Yield();
        ct.ThrowIfCancellationRequested();
        Calls.Enqueue((verb, subject));
        Answers();
        var fails = Queue(verb).TryDequeue(out var failure);
        if (fails && !failure.After)
        {
            throw failure.Error;
        }
        T result;
        lock (_containers)
        {
            result = act();
        }
        return fails ? throw failure.Error : result;
    }

    private void Answers()
    {
        if (_isAway)
        {
            throw new EngineUnreachableException("The fake engine is away.");
        }
    }

    private async Task WaitAsync(Task changed, CancellationToken ct)
    {
        var away = Volatile.Read(ref _away).Token;
        Answers();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, away);
        try
        {
            await changed.WaitAsync(either.Token);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new EngineUnreachableException("The fake engine's stream broke.", e);
        }
    }

    private void Tell(FakeContainer c, string action, params (string Key, string Value)[] more)
    {
        var labels = c.Plan.Labels.Concat(more.Select(m => KeyValuePair.Create(m.Key, m.Value)));
        var e = new EngineEvent(c.Id, action, new Dictionary<string, string>(labels), time.GetUtcNow());
        foreach (var (channel, installId) in _listeners)
        {
            if (!_isAway && IsOf(c, installId))
            {
                channel.Writer.TryWrite(e);
            }
        }
    }

    private FakeContainer? Find(string idOrName) =>
        _containers.TryGetValue(idOrName, out var c) ? c : Containers.FirstOrDefault(x => x.Plan.Name == idOrName);

    private FakeContainer Need(string id) =>
        Find(id) ?? throw new EngineException(EngineErrorKind.NotFound, $"No such container: {id}");

    private static bool IsOf(FakeContainer c, string installId) =>
        c.Plan.Labels.TryGetValue(Labels.Install, out var id) && id == installId;

    private ConcurrentQueue<(Exception Error, bool After)> Queue(string verb) => _failures.GetOrAdd(verb, _ => new());
}
