using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams;

/// <summary>
/// Joins the frames of long lines, each stream for itself: the engine cuts a line into frames of 16 KiB, and frames of the
/// other stream may come between them.
/// </summary>
/// <param name="fromStart">the first frame begins a line; else it may be the middle of one</param>
internal sealed class LineAssembler(bool fromStart)
{
    /// <summary>A longer line is cut here: a progress bar that never ends must not fill the console's memory.</summary>
    public const int LineLimit = 1 << 20;
    private readonly Part _stdout = new() { SeenStart = fromStart };
    private readonly Part _stderr = new() { SeenStart = fromStart };

    /// <summary>True where the frame ends a line.</summary>
    /// <param name="text">valid until the next frame</param>
    public bool Add(in LogFrame frame, out AssembledLine line, out ReadOnlySpan<byte> text)
    {
        var part = frame.Stream == LogStream.Stderr ? _stderr : _stdout;
        text = frame.Text.Span;
        if (!part.IsOpen && frame.EndsLine && text.Length <= LineLimit)
        {
            line = new AssembledLine(frame.Stream, frame.UnixNanos, !part.SeenStart);
        }
        else
        {
            part.Add(frame.UnixNanos, text);
            line = new AssembledLine(frame.Stream, part.UnixNanos, !part.SeenStart);
            if (!frame.EndsLine)
            {
                return false;
            }
            text = part.Close();
        }
        part.SeenStart = true;
        if (!text.IsEmpty && text[^1] == (byte)'\r')
        {
            text = text[..^1];
        }
        return true;
    }

    /// <summary>A line is open whose first frames may lie before what was read.</summary>
    public bool HasOpenFragment => (_stdout.IsOpen && !_stdout.SeenStart) || (_stderr.IsOpen && !_stderr.SeenStart);

    /// <summary>Takes the line that the program left without a newline when it ended; call until null.</summary>
    public AssembledLine? TakeRest(out ReadOnlySpan<byte> text)
    {
        text = default;
        var (part, stream) =
            _stdout.IsOpen && (!_stderr.IsOpen || _stdout.UnixNanos <= _stderr.UnixNanos)
                ? (_stdout, LogStream.Stdout)
                : (_stderr, LogStream.Stderr);
        if (!part.IsOpen)
        {
            return null;
        }
        var line = new AssembledLine(stream, part.UnixNanos, !part.SeenStart);
        text = part.Close();
        return line;
    }

    private sealed class Part
    {
        private readonly ByteBuffer _bytes = new(0);
        private long _cut;
        public bool IsOpen { get; private set; }
        public bool SeenStart { get; set; }
        public long UnixNanos { get; private set; }

        public void Add(long unixNanos, ReadOnlySpan<byte> text)
        {
            if (!IsOpen)
            {
                (IsOpen, UnixNanos, _cut) = (true, unixNanos, 0);
                _bytes.Clear();
            }
            var room = Math.Min(text.Length, LineLimit - _bytes.Count);
            _bytes.Add(text[..room]);
            _cut += text.Length - room;
        }

        public ReadOnlySpan<byte> Close()
        {
            IsOpen = false;
            if (_cut > 0)
            {
                var marker = string.Create(
                    CultureInfo.InvariantCulture,
                    $" … [cut here: {_cut:N0} more bytes of this line]"
                );
                _bytes.Add(Encoding.UTF8.GetBytes(marker));
            }
            return _bytes.Span;
        }
    }
}

/// <param name="UnixNanos">timestamp of its first frame that was read</param>
/// <param name="MayBeFragment">its first frames may lie before what was read</param>
internal readonly record struct AssembledLine(LogStream Stream, long UnixNanos, bool MayBeFragment);
