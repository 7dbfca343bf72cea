using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>What becomes of a request to the engine.</summary>
internal enum Fate
{
    /// <summary>None: it is only counted.</summary>
    Pass,

    /// <summary>It arrives and is done; the connection ends where the reply should come.</summary>
    DoneThenCut,

    /// <summary>It arrives and is done; the reply is another.</summary>
    DoneThenAnswer,

    /// <summary>It never arrives; the reply is ours.</summary>
    Answer,

    /// <summary>It is answered, from its beginning, into nothing: the connection stays open and silent.</summary>
    Silence,
}

/// <summary>
/// Stands before an engine's socket and does to chosen requests what networks and broken engines do. Requests are told from
/// the bytes that follow them by how they begin: clients of engines send no second request before the first is answered.
/// </summary>
internal sealed class EngineProxy : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dlx-").FullName;
    private readonly string _engine;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentDictionary<Link, Task> _links = new();
    private readonly List<ProxyRule> _rules = [];
    private readonly Lock _gate = new();
    private volatile bool _losesReplies;
    private Task _accepting = Task.CompletedTask;

    private EngineProxy(string engine) => _engine = new Uri(engine).LocalPath;

    public string Address => $"unix://{_folder}/docker.sock";

    /// <param name="engine">`unix:///path`</param>
    public static EngineProxy Start(string engine)
    {
        var proxy = new EngineProxy(engine);
        proxy._listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(proxy._folder, "docker.sock")));
        proxy._listener.Listen(128);
        proxy._accepting = proxy.AcceptAsync();
        return proxy;
    }

    /// <param name="path">part of the request's target, as `/containers/create`</param>
    /// <param name="times">the rule is used up after so many requests</param>
    public ProxyRule On(
        string method,
        string path,
        Fate fate,
        int times = int.MaxValue,
        HttpStatusCode status = HttpStatusCode.InternalServerError,
        string message = "the engine fell over"
    )
    {
        var rule = new ProxyRule(method, path, fate, times, status, message);
        lock (_gate)
        {
            _rules.Add(rule);
        }
        return rule;
    }

    /// <summary>From now on every request arrives and no byte of a reply does, until <see cref="Heal"/>.</summary>
    public void LoseReplies() => _losesReplies = true;

    /// <summary>Replies arrive again, rules are forgotten, and connections that lost some are reset.</summary>
    public void Heal()
    {
        lock (_gate)
        {
            _rules.Clear();
        }
        _losesReplies = false;
        foreach (var link in _links.Keys.Where(l => l.HasLost))
        {
            link.Close();
        }
    }

    /// <summary>Ends what streams now from a target; answers how many did.</summary>
    public int Cut(string path) => Each(path, l => l.Close());

    /// <summary>What streams now from a target stays open and says nothing any more; answers how many do.</summary>
    public int Silence(string path) => Each(path, l => l.IsSilent = true);

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        foreach (var link in _links.Keys)
        {
            link.Close();
        }
        await Task.WhenAll([_accepting, .. _links.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _over.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private int Each(string path, Action<Link> act)
    {
        var found = _links.Keys.Where(l => l.Target.Contains(path, StringComparison.Ordinal)).ToArray();
        foreach (var link in found)
        {
            act(link);
        }
        return found.Length;
    }

    private ProxyRule? Match(string method, string target)
    {
        lock (_gate)
        {
            return _rules.FirstOrDefault(r => r.Takes(method, target));
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync(_over.Token);
                var link = new Link(this, client);
                _links[link] = RunAsync(link);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over
        }
    }

    private async Task RunAsync(Link link)
    {
        await Task.Yield();
        try
        {
            await link.RunAsync(_engine, _over.Token);
        }
        catch (Exception e)
            when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // A connection that ends
        }
        finally
        {
            link.Close();
            _links.TryRemove(link, out _);
        }
    }

    /// <summary>One connection of a client, and its own to the engine.</summary>
    private sealed class Link(EngineProxy proxy, Socket client)
    {
        private readonly Socket _engine = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private volatile ProxyRule? _rule;
        private volatile string _target = "";

        /// <summary>Of the request that is being answered, or was last.</summary>
        public string Target => _target;

        public bool IsSilent { get; set; }
        public bool HasLost { get; private set; }

        public void Close()
        {
            client.Dispose();
            _engine.Dispose();
        }

        public async Task RunAsync(string engine, CancellationToken ct)
        {
            await _engine.ConnectAsync(new UnixDomainSocketEndPoint(engine), ct);
            var requests = RequestsAsync(ct);
            var replies = RepliesAsync(ct);
            await await Task.WhenAny(requests, replies);
            // The engine may end first and have its last bytes on the way; a client that half-closes waits for the reply
            await replies;
        }

        private async Task RequestsAsync(CancellationToken ct)
        {
            var buffer = new byte[64 << 10];
            while (await client.ReceiveAsync(buffer, ct) is > 0 and var read)
            {
                if (Begins(buffer.AsSpan(0, read)) is var (method, target))
                {
                    _target = target;
                    _rule = proxy.Match(method, target);
                    if (_rule is { Fate: Fate.Answer } rule)
                    {
                        await client.SendAsync(rule.Reply, ct);
                        Close();
                        return;
                    }
                }
                await SendAllAsync(_engine, buffer.AsMemory(0, read), ct);
            }
            _engine.Shutdown(SocketShutdown.Send);
        }

        private async Task RepliesAsync(CancellationToken ct)
        {
            var buffer = new byte[64 << 10];
            while (await _engine.ReceiveAsync(buffer, ct) is > 0 and var read)
            {
                switch (_rule?.Fate)
                {
                    case Fate.DoneThenCut:
                        Close();
                        return;
                    case Fate.DoneThenAnswer:
                        await client.SendAsync(_rule.Reply, ct);
                        Close();
                        return;
                }
                if (IsSilent || proxy._losesReplies || HasLost || _rule is { Fate: Fate.Silence })
                {
                    HasLost = true;
                    continue;
                }
                await SendAllAsync(client, buffer.AsMemory(0, read), ct);
            }
        }

        private static async Task SendAllAsync(Socket to, ReadOnlyMemory<byte> bytes, CancellationToken ct)
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[await to.SendAsync(bytes, ct)..];
            }
        }

        private static (string Method, string Target)? Begins(ReadOnlySpan<byte> bytes)
        {
            var end = bytes.IndexOf("\r\n"u8);
            var line = end < 0 ? "" : Encoding.ASCII.GetString(bytes[..end]);
            return line.Split(' ') is [var method, var target, "HTTP/1.1"] ? (method, target) : null;
        }
    }
}

/// <summary>What happens to some requests, and how often it did.</summary>
internal sealed class ProxyRule(string method, string path, Fate fate, int times, HttpStatusCode status, string message)
{
    private readonly TaskCompletionSource _hit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;

    public Fate Fate { get; } = fate;

    /// <summary>Requests it was for.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Completes with the first of them.</summary>
    public Task Hit => _hit.Task;

    internal byte[] Reply { get; } = Answer(status, message);

    /// <summary>Under the proxy's lock.</summary>
    internal bool Takes(string method1, string target)
    {
        if (method1 != method || !target.Contains(path, StringComparison.Ordinal) || _count >= times)
        {
            return false;
        }
        _count++;
        _hit.TrySetResult();
        return true;
    }

    private static byte[] Answer(HttpStatusCode status, string message)
    {
        var body = System.Text.Json.JsonSerializer.Serialize(new { message });
        return Encoding.UTF8.GetBytes(
            string.Create(
                CultureInfo.InvariantCulture,
                $"HTTP/1.1 {(int)status} Fault\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"
            )
        );
    }
}
