using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Text;
using System.Threading.Channels;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

/// <summary>A terminal of the fake engine: its test says what its program says, and hears what it is told.</summary>
/// <param name="away">cancelled when the engine goes away</param>
public sealed class FakeTerminal(
    IReadOnlyList<string> argv,
    IReadOnlyDictionary<string, string> env,
    CancellationToken away
) : IEngineTerminal
{
    /// <summary>As an engine's: who does not read makes the program wait.</summary>
    private readonly Pipe _out = new(new PipeOptions(pauseWriterThreshold: 64 << 10, resumeWriterThreshold: 32 << 10));
    private readonly Channel<byte[]> _input = Channel.CreateUnbounded<byte[]>();
    private int? _exitCode;

    public IReadOnlyList<string> Argv => argv;
    public IReadOnlyDictionary<string, string> Env => env;
    public ConcurrentQueue<(int Columns, int Rows)> Sizes { get; } = new();
    public bool IsDisposed { get; private set; }

    /// <summary>What was typed.</summary>
    public ChannelReader<byte[]> Input => _input.Reader;

    /// <summary>Null: it reads what is typed.</summary>
    public Task? ReadsNothingUntil { get; set; }

    public void Say(string text) => Say(Encoding.UTF8.GetBytes(text));

    public void Say(byte[] bytes)
    {
        bytes.CopyTo(_out.Writer.GetSpan(bytes.Length));
        _out.Writer.Advance(bytes.Length);
        _ = _out.Writer.FlushAsync(CancellationToken.None).AsTask();
    }

    /// <summary>Returns when there is room for more.</summary>
    public async Task SayAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct) =>
        await _out.Writer.WriteAsync(bytes, ct);

    /// <summary>The program ends.</summary>
    public void End(int exitCode)
    {
        _exitCode ??= exitCode;
        _out.Writer.Complete();
    }

    public async Task<int> ReadAsync(ArraySegment<byte> into, CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, away);
        try
        {
            var read = await _out.Reader.ReadAsync(either.Token);
            var count = (int)Math.Min(into.Count, read.Buffer.Length);
            var taken = read.Buffer.Slice(0, count);
            var at = 0;
            foreach (var piece in taken)
            {
                piece.Span.CopyTo(into.AsSpan(at));
                at += piece.Length;
            }
            _out.Reader.AdvanceTo(taken.End);
            return count;
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new EngineUnreachableException("The fake engine's terminal broke.", e);
        }
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct)
    {
        if (ReadsNothingUntil is { } until)
        {
            await until.WaitAsync(ct);
        }
        _input.Writer.TryWrite(bytes.ToArray());
    }

    public Task ResizeAsync(int columns, int rows, CancellationToken ct)
    {
        Sizes.Enqueue((columns, rows));
        return Task.CompletedTask;
    }

    public Task<int?> ExitCodeAsync(CancellationToken ct) => Task.FromResult(_exitCode);

    public void Dispose() => IsDisposed = true;
}
