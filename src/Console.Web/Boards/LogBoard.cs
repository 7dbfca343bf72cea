using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Web.Logs;

namespace DeepLab.Web.Boards;

/// <summary>The log of one attempt: how long it is by now, and windows into it.</summary>
public sealed class LogBoard(
    Actor actor,
    AttemptView attempt,
    LogReader logs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<LogBoard> logger
) : Board(feed, time, logger)
{
    public LogWindow Window { get; } = new((first, count, ct) => logs.ReadAsync(attempt.Id, first, count, ct));

    /// <summary>Whose eyes these are; the page has checked that they may see the job.</summary>
    public Actor Actor => actor;

    public AttemptView Attempt => attempt;

    /// <summary>Lines kept so far, with the marks of gaps among them.</summary>
    public long Lines { get; private set; }

    /// <summary>The program ended and nothing more will come.</summary>
    public bool Complete { get; private set; }
    public int Gaps { get; private set; }

    public LogSearch Search(string text) =>
        new(text, (t, from, limit, ct) => logs.SearchAsync(attempt.Id, t, from, limit, ct));

    protected override bool Matters(Change change) => change == new Change(ChangeKind.Log, attempt.Id);

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        var cursor = await logs.FindCursorAsync(attempt.Id, ct);
        var lines = cursor is null ? 0 : cursor.Lines + cursor.Gaps;
        var moved = lines != Lines || Complete != (cursor?.Complete ?? false);
        (Lines, Complete, Gaps) = (lines, cursor?.Complete ?? false, cursor?.Gaps ?? 0);
        return moved;
    }
}
