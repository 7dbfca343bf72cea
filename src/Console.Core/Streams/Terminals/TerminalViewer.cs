namespace DeepLab.Core.Streams.Terminals;

/// <summary>The one who looks at a terminal now. Disposing leaves it; its shell goes on.</summary>
public sealed class TerminalViewer : IDisposable
{
    private readonly Terminal _terminal;

    internal TerminalViewer(Terminal terminal, long from) =>
        (_terminal, From, Sent, Seen) = (terminal, from, from, from);

    /// <summary>Place of the first byte that it reads.</summary>
    public long From { get; }

    /// <summary>Place after the last byte that it read.</summary>
    public long Sent { get; internal set; }

    /// <summary>Place up to which it worked off what it read.</summary>
    internal long Seen { get; set; }

    /// <summary>Another viewer took its place.</summary>
    public bool Displaced { get; internal set; }

    /// <summary>At least one byte; 0 when the terminal has ended and all was read, when access ended, or another took its place.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> into, CancellationToken ct) => _terminal.ReadAsync(this, into, ct);

    /// <summary>Says up to which place it worked off what it read, so that more may come.</summary>
    public void Saw(long place) => _terminal.Saw(this, place);

    public void Dispose() => _terminal.Leave(this);
}
