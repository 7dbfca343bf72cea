using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DeepLab.Core.Streams;

namespace DeepLab.Api.Workloads;

/// <summary>
/// Writes lines as text, or as server-sent events whose id is the line's number and whose data is an object
/// (`line`, `at`, `stream`, `text`): a line may hold carriage returns, which would cut an event of bare text.
/// </summary>
public sealed class LogWriter(PipeWriter output, bool events, bool timestamps)
{
    private const int FlushAt = 64 << 10;
    private readonly ArrayBufferWriter<byte> _json = new(1024);

    public async Task StartAsync(CancellationToken ct) => await output.FlushAsync(ct);

    public async Task WriteAsync(IReadOnlyList<LogLine> lines, CancellationToken ct)
    {
        foreach (var line in lines)
        {
            if (events)
            {
                WriteEvent(line);
            }
            else
            {
                WriteText(line);
            }
            if (output.CanGetUnflushedBytes && output.UnflushedBytes >= FlushAt)
            {
                await output.FlushAsync(ct);
            }
        }
        await output.FlushAsync(ct);
    }

    /// <summary>Nothing in plain text, where every byte would be a part of the log.</summary>
    public async Task KeepAliveAsync(CancellationToken ct)
    {
        if (events)
        {
            output.Write(":\n\n"u8);
            await output.FlushAsync(ct);
        }
    }

    /// <summary>Tells readers of events that nothing more comes, or they would connect again.</summary>
    public async Task EndAsync(CancellationToken ct)
    {
        if (events)
        {
            output.Write("event: end\ndata: {}\n\n"u8);
        }
        await output.FlushAsync(ct);
    }

    private void WriteText(LogLine line)
    {
        if (timestamps)
        {
            Span<byte> stamp = stackalloc byte[40];
            Time(line).UtcDateTime.TryFormat(stamp, out var n, "O");
            output.Write(stamp[..n]);
            output.Write(" "u8);
        }
        if (line.IsGap)
        {
            output.Write("[deeplab] "u8);
        }
        Encoding.UTF8.GetBytes(line.Text, output);
        output.Write("\n"u8);
    }

    private void WriteEvent(LogLine line)
    {
        _json.ResetWrittenCount();
        using (var w = new Utf8JsonWriter(_json, s_options))
        {
            w.WriteStartObject();
            w.WriteNumber("line", line.Number);
            w.WriteString("at", Time(line).UtcDateTime);
            w.WriteString("stream", line.IsGap ? "gap" : line.Stream.ToString());
            w.WriteString("text", line.Text);
            w.WriteEndObject();
        }
        output.Write("id: "u8);
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(line.Number, digits, out var n);
        output.Write(digits[..n]);
        output.Write("\ndata: "u8);
        output.Write(_json.WrittenSpan);
        output.Write("\n\n"u8);
    }

    private static readonly JsonWriterOptions s_options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static DateTimeOffset Time(LogLine line) => DateTimeOffset.UnixEpoch.AddTicks(line.UnixNanos / 100);
}
