using System.Globalization;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Operations.History;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Workloads;

/// <summary>Runs as CSV (RFC 4180) or as lines of JSON, written as they are read.</summary>
internal static class HistoryWriter
{
    public const string JsonLines = "application/x-ndjson";

    private static readonly JsonSerializerOptions s_json = Options();

    private static readonly (string Name, Func<ExportedRun, object?> Of)[] s_columns =
    [
        ("id", r => r.Id),
        ("name", r => r.Name),
        ("owner", r => r.Owner),
        ("team", r => r.Team),
        ("state", r => r.State),
        ("reason", r => r.Reason),
        ("message", r => r.Message),
        ("submittedAt", r => r.SubmittedAt),
        ("startedAt", r => r.StartedAt),
        ("endedAt", r => r.EndedAt),
        ("image", r => r.Image),
        ("pinnedImage", r => r.PinnedImage),
        ("command", r => r.Command),
        (
            "labels",
            r =>
                string.Join(
                    ' ',
                    r.Labels.OrderBy(l => l.Key, StringComparer.Ordinal)
                        .Select(l => l.Value.Length == 0 ? l.Key : $"{l.Key}={l.Value}")
                )
        ),
        ("notes", r => r.Notes),
        ("pinned", r => r.Pinned ? "true" : "false"),
        ("gpusAsked", r => r.GpusAsked),
        ("gpuModels", r => r.GpuModels),
        ("hosts", r => string.Join(' ', r.Hosts)),
        ("priority", r => r.Priority),
        ("restarts", r => r.Restarts),
        ("interruptions", r => r.Interruptions),
        ("preemptions", r => r.Preemptions),
        ("originId", r => r.OriginId),
        ("originExact", r => r.OriginExact ? "true" : "false"),
        ("specHash", r => r.SpecHash),
    ];

    public static async Task WriteAsync(
        HttpResponse response,
        IAsyncEnumerable<IReadOnlyList<ExportedRun>> pieces,
        bool asCsv,
        DateTimeOffset now,
        CancellationToken ct
    )
    {
        response.ContentType = $"{(asCsv ? CsvText.ContentType : JsonLines)}; charset=utf-8";
        var stamp = now.UtcDateTime.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);
        response.Headers.ContentDisposition = $"attachment; filename=\"jobs-{stamp}.{(asCsv ? "csv" : "jsonl")}\"";
        if (asCsv)
        {
            await response.WriteAsync(string.Join(',', s_columns.Select(c => c.Name)) + "\r\n", ct);
        }
        var text = new StringBuilder();
        await foreach (var piece in pieces.WithCancellation(ct))
        {
            text.Clear();
            foreach (var run in piece)
            {
                text.Append(asCsv ? Line(run) : JsonSerializer.Serialize(run, s_json)).Append(asCsv ? "\r\n" : "\n");
            }
            // Flushed piece by piece: a reader that is slow makes the reading wait
            await response.WriteAsync(text.ToString(), ct);
            await response.Body.FlushAsync(ct);
        }
    }

    private static JsonSerializerOptions Options()
    {
        var options = new JsonSerializerOptions();
        ApiJson.Set(options);
        return options;
    }

    internal static string Line(ExportedRun run) => string.Join(',', s_columns.Select(c => CsvText.Cell(c.Of(run))));
}
