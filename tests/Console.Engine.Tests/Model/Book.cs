using System.Collections.Concurrent;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>What the engines know of one attempt's container, kept beyond its removal: the oracle that no console wrote.</summary>
internal sealed class BookEntry
{
    /// <summary>The program ended by itself, with this code.</summary>
    public int? EndedWith { get; set; }

    /// <summary>What it wrote, in order.</summary>
    public ConcurrentQueue<string> Lines { get; } = new();
    public long JobId { get; init; }

    /// <summary>Containers that ran it.</summary>
    public ConcurrentQueue<BookStart> Starts { get; } = new();

    /// <summary>When somebody removed one by hand.</summary>
    public List<DateTimeOffset> Vanished { get; } = [];
}

/// <param name="LinesBefore">which earlier containers of the attempt wrote</param>
internal sealed record BookStart(string Container, DateTimeOffset At, int LinesBefore);

/// <summary>What the engines of a lab know of each attempt, and when its consoles could not know it.</summary>
internal sealed class Book
{
    private readonly ConcurrentDictionary<long, BookEntry> _entries = new();
    private readonly List<DateTimeOffset> _boots = [];
    private readonly List<(DateTimeOffset From, DateTimeOffset Until)> _closed = [];

    public BookEntry Of(long attempt, long job) => _entries.GetOrAdd(attempt, _ => new BookEntry { JobId = job });

    /// <summary>A program of the job ended by itself.</summary>
    public bool HasEnded(long job) => _entries.Values.Any(e => e.JobId == job && e.EndedWith is not null);

    public void Booted(DateTimeOffset at) => _boots.Add(at);

    public void Closed(DateTimeOffset from, DateTimeOffset until) => _closed.Add((from, until));

    /// <summary>Somebody removed its container by hand.</summary>
    public void Vanished(long attempt, DateTimeOffset at) => _entries[attempt].Vanished.Add(at);

    public void Forget()
    {
        _entries.Clear();
        _boots.Clear();
        _closed.Clear();
    }

    /// <summary>What the console recorded of each end and each line, held against what the engines know.</summary>
    public async Task<IReadOnlyList<string>> TroublesAsync(NpgsqlDataSource sql, LogReader logs, CancellationToken ct)
    {
        var troubles = new List<string>();
        await using var command = sql.CreateCommand(
            "select id, exit_code, reason, started_at is not null from attempts"
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var (id, reason) = (reader.GetInt64(0), reader.GetString(2));
            var code = await reader.IsDBNullAsync(1, ct) ? (int?)null : reader.GetInt32(1);
            var entry = _entries.GetValueOrDefault(id);
            if (reason == nameof(Reason.Completed) && entry?.EndedWith != 0)
            {
                troubles.Add($"7: attempt {id} is Completed, and its program ended with {entry?.EndedWith}");
            }
            if (code is not null && entry?.EndedWith is { } own && own != code)
            {
                troubles.Add($"8: attempt {id} is recorded with exit code {code}; its program ended with {own}");
            }
            if (entry is not null)
            {
                var stored = (await logs.ReadAsync(id, 0, 100, ct)).Select(l => l.Text).ToArray();
                var isGone = stored is [.., var last] && last.Contains("may be missing", StringComparison.Ordinal);
                var all = isGone ? stored[..^1] : stored;
                // What a console cannot know it may know all the same
                var unknown = Holds(all, [.. entry.Lines], isGone) ? 0 : UnknownLines(entry, reader.GetBoolean(3));
                var kept = AfterUnknown(all, entry, unknown);
                var wrote = entry.Lines.Skip(unknown).ToArray();
                if (!Holds(kept, wrote, isGone))
                {
                    troubles.Add(
                        $"10: attempt {id} wrote \"{string.Join('|', wrote)}\"; kept is \"{string.Join('|', stored)}\" ({string.Join(", ", entry.Starts)})"
                    );
                }
            }
        }
        return troubles;
    }

    /// <summary>
    /// What was written by a container that somebody removed, and whose start was not recorded before the console that had
    /// started it died, or lost its lead with the database closed: the next term cannot know that there was any, and makes
    /// another, or none where it is not wanted any more.
    /// </summary>
    /// <param name="isStarted">its last container's start was recorded</param>
    private int UnknownLines(BookEntry entry, bool isStarted)
    {
        var starts = entry.Starts.ToArray();
        if (
            starts is [.., var only]
            && !isStarted
            && entry.Vanished.Any(v => v >= only.At)
            && IsForgotten(only.At, null)
        )
        {
            return entry.Lines.Count;
        }
        var last = starts.Length - 1;
        if (last < 1)
        {
            return 0;
        }
        var (before, after) = (starts[last - 1].At, starts[last].At);
        var isRemoved = entry.Vanished.Any(v => v >= before && v <= after);
        return _boots.Any(b => b >= before && b <= after) || (isRemoved && IsForgotten(before, after))
            ? starts[last].LinesBefore
            : 0;
    }

    /// <summary>Between the two a term may have ended before it wrote what it did.</summary>
    private bool IsForgotten(DateTimeOffset from, DateTimeOffset? until) =>
        _boots.Any(b => b >= from && (until is null || b <= until))
        || _closed.Any(c => c.Until >= from && (until is null || c.From <= until));

    /// <summary>What a console had read of such a container before it died is kept too, up to a line that tells of the gap.</summary>
    private static string[] AfterUnknown(string[] kept, BookEntry entry, int unknown)
    {
        var gap = Array.FindIndex(kept, l => l.Contains("were dropped by the engine", StringComparison.Ordinal));
        return unknown > 0 && gap > 0 && gap <= unknown && kept[..gap].SequenceEqual(entry.Lines.Take(gap))
            ? kept[(gap + 1)..]
            : kept;
    }

    /// <param name="isGone">it says that more may have been written</param>
    private static bool Holds(string[] kept, string[] wrote, bool isGone) =>
        kept.SequenceEqual(isGone ? wrote.Take(kept.Length) : wrote);
}
