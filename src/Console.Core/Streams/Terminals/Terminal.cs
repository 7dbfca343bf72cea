using System.Threading.Channels;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams.Terminals;

/// <summary>
/// A shell in a container, with the last of what it said. One viewer at a time looks at it, and the newest wins. While one does,
/// the shell is read only as fast as the viewer works off what came, and nothing unseen is forgotten; while none does, it is read
/// as fast as it speaks, and the oldest goes.
/// </summary>
public sealed class Terminal : IDisposable
{
    private const int ReadSize = 16 << 10;
    private const int MostLooks = 20;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private readonly IContainerEngine _engine;
    private readonly Shell _shell;
    private readonly TerminalLimits _limits;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Scrollback _scrollback;
    private readonly Channel<byte[]> _input = Channel.CreateUnbounded<byte[]>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private TaskCompletionSource _changed = New();
    private TerminalViewer? _viewer;
    private int _unread;

    internal Terminal(
        TerminalRequest request,
        IContainerEngine engine,
        Shell shell,
        TerminalLimits limits,
        TimeProvider time
    )
    {
        (Request, _engine, _shell, _limits, _time) = (request, engine, shell, limits, time);
        OpenedAt = LastUsedAt = time.GetUtcNow();
        LeftAt = OpenedAt;
        // A read that is under way when a viewer comes must not push out what that begins with
        _scrollback = new Scrollback(limits.Scrollback + ReadSize);
        _scrollback.Append(shell.FirstWords);
        _running = RunAsync(_stop.Token);
    }

    public Guid Id { get; } = Guid.NewGuid();
    public TerminalRequest Request { get; }
    public DateTimeOffset OpenedAt { get; }

    /// <summary>When something was typed or said last.</summary>
    public DateTimeOffset LastUsedAt
    {
        get
        {
            lock (_gate)
            {
                return field;
            }
        }
        private set
        {
            lock (_gate)
            {
                field = value;
            }
        }
    }

    /// <summary>Since when nobody looks at it; null while somebody does.</summary>
    public DateTimeOffset? LeftAt
    {
        get
        {
            lock (_gate)
            {
                return field;
            }
        }
        private set
        {
            lock (_gate)
            {
                field = value;
            }
        }
    }

    /// <summary>Null while its shell runs.</summary>
    public TerminalEnd? End { get; private set; }
    public DateTimeOffset? EndedAt { get; private set; }

    /// <summary>Place after the last byte that the shell said.</summary>
    public long Said
    {
        get
        {
            lock (_gate)
            {
                return _scrollback.End;
            }
        }
    }

    /// <summary>Takes the place of whoever looks at it.</summary>
    /// <param name="from">the place that the viewer read up to before; null, or one that is not kept any more, for all that is</param>
    public TerminalViewer Attach(long? from)
    {
        lock (_gate)
        {
            if (_viewer is { } earlier)
            {
                earlier.Displaced = true;
            }
            var begin =
                from is { } place
                && place >= _scrollback.End - _limits.Scrollback
                && place >= 0
                && place <= _scrollback.End
                    ? place
                    : _scrollback.FirstLine(_limits.Scrollback);
            LeftAt = null;
            _viewer = new TerminalViewer(this, begin);
            Pulse();
            return _viewer;
        }
    }

    /// <summary>False where the program has not read what was sent before.</summary>
    public bool TryWrite(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty)
        {
            return true;
        }
        if (Interlocked.Add(ref _unread, bytes.Length) > _limits.Input)
        {
            Interlocked.Add(ref _unread, -bytes.Length);
            return false;
        }
        LastUsedAt = _time.GetUtcNow();
        _input.Writer.TryWrite(bytes.ToArray());
        return true;
    }

    /// <summary>One that has ended has no size, and an engine that is away will hear of the next.</summary>
    public async Task ResizeAsync(TerminalSize size, CancellationToken ct)
    {
        if (!size.IsAllowed)
        {
            throw new ArgumentOutOfRangeException(nameof(size), size, "No such size is allowed.");
        }
        try
        {
            await _shell.Door.ResizeAsync(size.Columns, size.Rows, ct);
        }
        catch (Exception e) when (IsEngineTrouble(e))
        {
            // The reader of its words tells what is wrong
        }
    }

    /// <summary>Ends the shell, if it has not ended. Returns when it was told to.</summary>
    public async Task EndAsync(TerminalEndReason reason, string message)
    {
        if (Finish(new TerminalEnd(reason, null, message)))
        {
            await _stop.CancelAsync();
            await _running;
            await KillAsync();
            _shell.Door.Dispose();
        }
    }

    /// <summary>Once it has ended and nobody can come back to it.</summary>
    public void Dispose() => _stop.Dispose();

    internal async ValueTask<int> ReadAsync(TerminalViewer viewer, Memory<byte> into, CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (viewer.Displaced || End is { Reason: TerminalEndReason.AccessEnded })
                {
                    return 0;
                }
                if (viewer.Sent < _scrollback.End)
                {
                    // Whoever is not the viewer any more may find its place gone
                    var count = _scrollback.Copy(Math.Max(viewer.Sent, _scrollback.Start), into.Span);
                    viewer.Sent += count;
                    return count;
                }
                if (End is not null)
                {
                    return 0;
                }
                changed = _changed.Task;
            }
            await changed.WaitAsync(ct);
        }
    }

    internal void Saw(TerminalViewer viewer, long place)
    {
        lock (_gate)
        {
            if (place > viewer.Seen && place <= viewer.Sent)
            {
                viewer.Seen = place;
                Pulse();
            }
        }
    }

    internal void Leave(TerminalViewer viewer)
    {
        lock (_gate)
        {
            if (_viewer == viewer)
            {
                _viewer = null;
                LeftAt = _time.GetUtcNow();
                Pulse();
            }
        }
    }

    private async Task RunAsync(CancellationToken ct)
    {
        var writing = WriteAsync(ct);
        var end = await HearAsync(ct);
        _input.Writer.TryComplete();
        if (end is not null && Finish(end))
        {
            await _stop.CancelAsync();
            _shell.Door.Dispose();
        }
        await writing;
    }

    /// <summary>Reads until it ends; null where it was ended from here.</summary>
    private async Task<TerminalEnd?> HearAsync(CancellationToken ct)
    {
        var buffer = new byte[ReadSize];
        try
        {
            while (true)
            {
                var room = await RoomAsync(ct);
                var count = await _shell.Door.ReadAsync(new ArraySegment<byte>(buffer, 0, room), ct);
                if (count == 0)
                {
                    return await HowItEndedAsync(ct);
                }
                lock (_gate)
                {
                    _scrollback.Append(buffer.AsSpan(0, count));
                    LastUsedAt = _time.GetUtcNow();
                    Pulse();
                }
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e) when (IsEngineTrouble(e))
        {
            return ct.IsCancellationRequested
                ? null
                : new TerminalEnd(TerminalEndReason.EngineLost, null, "The connection to the host's engine broke off.");
        }
    }

    private async Task WriteAsync(CancellationToken ct)
    {
        try
        {
            await foreach (var bytes in _input.Reader.ReadAllAsync(ct))
            {
                await _shell.Door.WriteAsync(bytes, ct);
                Interlocked.Add(ref _unread, -bytes.Length);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // It ended
        }
        catch (Exception e) when (IsEngineTrouble(e) || e is ObjectDisposedException)
        {
            // The reader of its words tells what is wrong
        }
    }

    private async Task<int> RoomAsync(CancellationToken ct)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                var room = _viewer is { } viewer ? _limits.Window - (_scrollback.End - viewer.Seen) : ReadSize;
                if (room > 0)
                {
                    return (int)Math.Min(room, ReadSize);
                }
                changed = _changed.Task;
            }
            await changed.WaitAsync(ct);
        }
    }

    private async Task<TerminalEnd> HowItEndedAsync(CancellationToken ct)
    {
        var code = await _shell.Door.ExitCodeAsync(ct);
        // A killed shell may have gone with its container, whose end the engine tells a moment later
        for (var n = 0; n < MostLooks && (code is null or > 128); n++)
        {
            if (await _engine.InspectAsync(Request.ContainerId, ct) is not { State: ContainerState.Running })
            {
                return new TerminalEnd(TerminalEndReason.ContainerEnded, code, "The container has ended.");
            }
            await Task.Delay(s_pause, _time, ct);
        }
        return new TerminalEnd(
            TerminalEndReason.Exited,
            code,
            code is null ? "The shell has ended." : $"The shell has ended with exit code {code}."
        );
    }

    /// <summary>An engine lets a program that nobody listens to go on: without this it would stay until its container ends.</summary>
    private async Task KillAsync()
    {
        using var patience = new CancellationTokenSource(s_patience, _time);
        try
        {
            await _engine.ExecAsync(
                Request.ContainerId,
                Shell.Killer(_shell.Pid),
                _ => ValueTask.CompletedTask,
                patience.Token
            );
        }
        catch (Exception e) when (IsEngineTrouble(e) || e is OperationCanceledException)
        {
            // Its container ended, or its host is away
        }
    }

    /// <summary>False where it had ended before.</summary>
    private bool Finish(TerminalEnd end)
    {
        lock (_gate)
        {
            if (End is not null)
            {
                return false;
            }
            (End, EndedAt) = (end, _time.GetUtcNow());
            Pulse();
            return true;
        }
    }

    private void Pulse() => Interlocked.Exchange(ref _changed, New()).TrySetResult();

    private static bool IsEngineTrouble(Exception e) => e is EngineException or EngineUnreachableException;

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
