using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// Carries bytes between a socket of its own and another, and fails on demand: cuts, holds one direction back, or swallows it
/// from some bytes on. It knows nothing of what it carries. Either side is TCP or a unix socket.
/// </summary>
public sealed class ByteProxy : IAsyncDisposable
{
    private readonly EndPoint _target;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Link, Task> _links = new();
    private readonly Direction _requests = new();
    private readonly Direction _replies = new();
    private readonly Task _accepting;
    private volatile bool _refuses;

    private ByteProxy(EndPoint listen, EndPoint target)
    {
        _target = target;
        _listener = SocketFor(listen);
        _listener.Bind(listen);
        _listener.Listen(128);
        Listens = _listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens; for TCP with the port that it got.</summary>
    public EndPoint Listens { get; }

    /// <summary>Connections that are open now.</summary>
    public int Open => _links.Count;

    /// <summary>On a free port of this machine.</summary>
    public static ByteProxy Tcp(EndPoint target) => new(new IPEndPoint(IPAddress.Loopback, 0), target);

    /// <param name="path">of the socket to make, at most 107 bytes</param>
    public static ByteProxy Unix(string path, EndPoint target) => new(new UnixDomainSocketEndPoint(path), target);

    /// <summary>Every open connection ends, and new ones too, until <see cref="Heal"/>.</summary>
    public void Cut()
    {
        _refuses = true;
        foreach (var link in _links.Keys)
        {
            link.Close();
        }
    }

    /// <summary>Bytes flow again: those that were held back, and new ones. What was swallowed stays lost.</summary>
    public void Heal()
    {
        _refuses = false;
        _requests.Open();
        _replies.Open();
    }

    /// <summary>Requests arrive; what is answered waits here until <see cref="Heal"/>.</summary>
    public void HoldReplies() => _replies.Hold();

    /// <summary>What is asked waits here until <see cref="Heal"/>.</summary>
    public void HoldRequests() => _requests.Hold();

    /// <summary>Requests arrive; what is answered is lost, until <see cref="Heal"/>.</summary>
    public void SwallowReplies() => _replies.Swallow();

    /// <summary>Each piece of an answer is late by this much.</summary>
    public void DelayReplies(TimeSpan by) => _replies.Delay = by;

    /// <summary>
    /// Once: on the first connection on which these were asked in this order, the last one arrives at the target, and what is
    /// answered to it is lost. Returns when the target has answered; by then that connection is cut.
    /// </summary>
    /// <param name="requests">ASCII; each must arrive in one piece, as short statements do</param>
    public Task CutAfterAnswerTo(params string[] requests)
    {
        var trap = new Trap([.. requests.Select(System.Text.Encoding.ASCII.GetBytes)]);
        _requests.Trap = trap;
        return trap.Sprung.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Cut();
        Heal();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_links.Values);
        if (Listens is UnixDomainSocketEndPoint unix)
        {
            File.Delete(unix.ToString());
        }
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync(_stopping.Token);
                if (_refuses)
                {
                    client.Dispose();
                    continue;
                }
                var link = new Link(client, SocketFor(_target));
                _links[link] = Task.CompletedTask;
                _links[link] = CarryAsync(link);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It was disposed
        }
    }

    private async Task CarryAsync(Link link)
    {
        await Task.Yield();
        try
        {
            await link.Server.ConnectAsync(_target, _stopping.Token);
            var there = PumpAsync(link, link.Client, link.Server, _requests);
            var back = PumpAsync(link, link.Server, link.Client, _replies);
            await Task.WhenAll(there, back);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Either side went away, or it was cut: the other sees the same
        }
        finally
        {
            link.Close();
            _links.TryRemove(link, out _);
        }
    }

    /// <summary>The end of one direction is handed on as such: an answer may still come after the last request.</summary>
    private async Task PumpAsync(Link link, Socket from, Socket to, Direction direction)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                var count = await from.ReceiveAsync(buffer, _stopping.Token);
                if (count == 0)
                {
                    to.Shutdown(SocketShutdown.Send);
                    return;
                }
                if (ReferenceEquals(direction, _requests))
                {
                    link.Spring(_requests, buffer.AsSpan(0, count));
                }
                else if (link.Trapped is { } trap)
                {
                    link.Close();
                    trap.Sprung.TrySetResult();
                    return;
                }
                if (await direction.MayPassAsync(_stopping.Token))
                {
                    await to.SendAsync(buffer.AsMemory(0, count), _stopping.Token);
                }
            }
        }
        catch
        {
            link.Close();
            throw;
        }
    }

    private static Socket SocketFor(EndPoint end) =>
        end is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    private sealed record Trap(byte[][] Requests)
    {
        public TaskCompletionSource Sprung { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class Link(Socket client, Socket server)
    {
        public Socket Client { get; } = client;
        public Socket Server { get; } = server;
        public Trap? Trapped { get; private set; }
        private Trap? _entered;
        private int _steps;

        public void Spring(Direction requests, ReadOnlySpan<byte> sent)
        {
            if (requests.Trap is not { } trap)
            {
                return;
            }
            if (_entered != trap)
            {
                (_entered, _steps) = (trap, 0);
            }
            while (_steps < trap.Requests.Length && sent.IndexOf(trap.Requests[_steps]) is >= 0 and var at)
            {
                sent = sent[(at + trap.Requests[_steps++].Length)..];
            }
            if (_steps == trap.Requests.Length)
            {
                requests.Trap = null;
                Trapped = trap;
            }
        }

        public void Close()
        {
            Client.Dispose();
            Server.Dispose();
        }
    }

    private sealed class Direction
    {
        private readonly Lock _gate = new();
        private TaskCompletionSource? _held;
        private bool _swallows;

        public TimeSpan Delay { get; set; }

        public Trap? Trap { get; set; }

        public void Hold()
        {
            lock (_gate)
            {
                _held ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        public void Swallow()
        {
            lock (_gate)
            {
                _swallows = true;
            }
        }

        public void Open()
        {
            lock (_gate)
            {
                (_swallows, Delay, Trap) = (false, TimeSpan.Zero, null);
                _held?.SetResult();
                _held = null;
            }
        }

        /// <summary>Waits while it is held; false where the bytes are lost.</summary>
        public async ValueTask<bool> MayPassAsync(CancellationToken ct)
        {
            Task? held;
            lock (_gate)
            {
                if (_swallows)
                {
                    return false;
                }
                held = _held?.Task;
            }
            if (held is not null)
            {
                await held.WaitAsync(ct);
            }
            if (Delay > TimeSpan.Zero)
            {
                await Task.Delay(Delay, ct);
            }
            return true;
        }
    }
}
