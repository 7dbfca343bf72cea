using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

/// <summary>A container of the fake engine. Tests write its log and end it.</summary>
public sealed class FakeContainer(string id, ContainerPlan plan, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<Entry> _log = [];
    private TaskCompletionSource _changed = New();
    private long _dropped;
    private long _lastNanos;

    private readonly record struct Entry(LogStream Stream, long UnixNanos, byte[] Text, bool EndsLine);

    public string Id { get; } = id;
    public ContainerPlan Plan { get; } = plan;
    public ContainerState State { get; private set; } = ContainerState.Created;
    public int ExitCode { get; private set; }
    public bool OomKilled { get; private set; }
    public string Error { get; private set; } = "";
    public DateTimeOffset? StartedAt { get; private set; }
    public DateTimeOffset? FinishedAt { get; private set; }

    /// <summary>What it does on SIGTERM; by default it ends with 143. Null: it does not listen, and is killed after the grace.</summary>
    public int? ExitCodeOnTerm { get; set; } = 143;

    /// <summary>What a stats stream says; a new value is a new sample.</summary>
    public ContainerUsage? Usage
    {
        get;
        set
        {
            field = value;
            Signal();
        }
    }

    /// <summary>Entries that the engine keeps; older ones go as newer ones come. Null: all.</summary>
    public int? KeepsEntries { get; set; }

    /// <summary>Tars by path, as put; what a get answers.</summary>
    public Dictionary<string, byte[]> Archives { get; } = new(StringComparer.Ordinal);

    public bool IsRunning => State is ContainerState.Running or ContainerState.Paused;

    public void Write(string line, LogStream stream = LogStream.Stdout, long? at = null) =>
        WriteFrame(Encoding.UTF8.GetBytes(line), stream, endsLine: true, at);

    /// <param name="at">nanoseconds since 1970; by default the clock's, and always later than the entry before</param>
    public void WriteFrame(byte[] text, LogStream stream = LogStream.Stdout, bool endsLine = true, long? at = null)
    {
        lock (_gate)
        {
            var now = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
            var stamp = at ?? Math.Max(now, _lastNanos + 1);
            _lastNanos = Math.Max(stamp, _lastNanos);
            _log.Add(new Entry(stream, stamp, text, endsLine));
            if (_log.Count > KeepsEntries)
            {
                Drop(_log.Count - KeepsEntries.Value);
            }
        }
        Signal();
    }

    /// <summary>The engine's files rotated: its oldest entries are no more.</summary>
    public void Drop(int entries)
    {
        lock (_gate)
        {
            _log.RemoveRange(0, entries);
            _dropped += entries;
        }
    }

    internal void Start()
    {
        (State, StartedAt) = (ContainerState.Running, time.GetUtcNow());
        Signal();
    }

    /// <summary>A start that failed leaves it created, with an exit code and the engine's words.</summary>
    internal void FailToStart(int exitCode, string error) => (ExitCode, Error) = (exitCode, error);

    internal void End(int exitCode, bool oomKilled)
    {
        (State, ExitCode, OomKilled, FinishedAt) = (ContainerState.Exited, exitCode, oomKilled, time.GetUtcNow());
        Signal();
    }

    internal ContainerReport Report() =>
        new(
            Id,
            Plan.Name,
            Plan.Image,
            State,
            IsRunning ? 4242 : 0,
            ExitCode,
            OomKilled,
            Error,
            StartedAt,
            FinishedAt,
            Plan.Labels,
            Plan.GpuUuids
        );

    /// <summary>Entry number <paramref name="next"/> or the first that is left after it; null where none is there yet.</summary>
    internal LogFrame? Frame(ref long next)
    {
        lock (_gate)
        {
            next = Math.Max(next, _dropped);
            if (next >= _dropped + _log.Count)
            {
                return null;
            }
            var entry = _log[(int)(next++ - _dropped)];
            // A copy: who keeps it past the next frame must not be served by a fake what an engine would not
            return new LogFrame(entry.Stream, entry.UnixNanos, entry.Text.ToArray(), entry.EndsLine);
        }
    }

    internal (long First, long End) Window(int? tail)
    {
        lock (_gate)
        {
            var end = _dropped + _log.Count;
            return (tail is { } t ? Math.Max(_dropped, end - t) : _dropped, end);
        }
    }

    /// <summary>Completes when anything about it changes; take it before looking.</summary>
    internal Task Changed => Volatile.Read(ref _changed).Task;

    private void Signal() => Interlocked.Exchange(ref _changed, New()).TrySetResult();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
