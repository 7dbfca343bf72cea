namespace DeepLab.Core.Metrics;

/// <summary>What the two probes of one host have told since a session with its engine began.</summary>
public sealed class ProbeSight
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _gpusTold = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _hostTold = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ProbeView _view = new(null, null, null, null);
    private TaskCompletionSource _roundOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _begun;
    private long _over;

    public ProbeView View
    {
        get
        {
            lock (_gate)
            {
                return _view;
            }
        }
    }

    /// <param name="rows">none = there are none; null = that cannot be told</param>
    public void SetGpus(IReadOnlyList<GpuInventoryRow>? rows, string? trouble)
    {
        lock (_gate)
        {
            _view = _view with { Gpus = rows, GpuTrouble = trouble };
        }
        _gpusTold.TrySetResult();
    }

    public void SetProcesses(IReadOnlyList<GpuProcess> processes)
    {
        lock (_gate)
        {
            _view = _view with { Processes = processes };
        }
    }

    public void SetHost(HostLine? line, string? trouble)
    {
        lock (_gate)
        {
            _view = _view with { Host = line ?? _view.Host, HostTrouble = trouble };
        }
        _hostTold.TrySetResult();
    }

    public void GpuRoundBegins()
    {
        lock (_gate)
        {
            _begun++;
        }
    }

    /// <summary>What it told has been written down.</summary>
    public void GpuRoundEnds()
    {
        TaskCompletionSource over;
        lock (_gate)
        {
            if (_over == _begun)
            {
                return;
            }
            _over = _begun;
            (over, _roundOver) = (_roundOver, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        over.SetResult();
    }

    /// <summary>Returns when a look at the GPUs that began after this call is over, or when the patience ran out.</summary>
    public async Task NextGpuRoundAsync(TimeSpan patience, TimeProvider time, CancellationToken ct)
    {
        long wanted;
        lock (_gate)
        {
            wanted = _begun + 1;
        }
        using var timeout = new CancellationTokenSource(patience, time);
        while (true)
        {
            Task over;
            lock (_gate)
            {
                if (_over >= wanted)
                {
                    return;
                }
                over = _roundOver.Task;
            }
            try
            {
                await over.WaitAsync(timeout.Token).WaitAsync(ct);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Returns when both have told something, be it trouble, or when the patience ran out.</summary>
    public async Task ToldAsync(TimeSpan patience, TimeProvider time, CancellationToken ct)
    {
        try
        {
            await Task.WhenAll(_gpusTold.Task, _hostTold.Task).WaitAsync(patience, time, ct);
        }
        catch (TimeoutException)
        {
            // The view says what is missing
        }
    }
}

/// <param name="Gpus">null while that is not told, or cannot be</param>
/// <param name="GpuTrouble">why no GPU is seen; null where some are, or nothing was told yet</param>
/// <param name="Host">the newest line; null before the first</param>
/// <param name="HostTrouble">why the host's probe does not run; null where it does, or nothing was told yet</param>
public sealed record ProbeView(
    IReadOnlyList<GpuInventoryRow>? Gpus,
    string? GpuTrouble,
    HostLine? Host,
    string? HostTrouble
)
{
    /// <summary>What computes on its GPUs, as the last whole round told.</summary>
    public IReadOnlyList<GpuProcess> Processes { get; init; } = [];
}
