using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

/// <summary>
/// The readers of an attempt's event files and the points they found that are not stored yet. Positions and points become
/// durable together; after a failed write all of it is read anew from the store, so nothing is lost or doubled.
/// </summary>
internal sealed class EventFileState(
    EventFileTarget target,
    SeriesWriter writer,
    TimeProvider time,
    ILogger logger,
    Action<string> notice,
    IMediaStore? media = null
)
{
    /// <summary>Curves of one attempt; further tags are left alone.</summary>
    private const int MaxCurves = 1000;

    /// <summary>A folder's name stands in the key of a series, which the database indexes.</summary>
    private const int MaxFolder = 256;

    private const long BelievedAheadMillis = 60_000;

    private readonly Dictionary<string, EventFileReader?> _files = new(StringComparer.Ordinal);
    private readonly List<(SeriesKey Key, SeriesPoint Point)> _points = [];
    private readonly Dictionary<(string Folder, string Tag), SeriesKey> _curves = [];
    private readonly List<EventScalar> _scalars = [];
    private readonly List<EventMedia> _found = [];
    private readonly List<MediaItem> _media = [];
    private readonly HashSet<(MediaKind, string Tag, string Folder)> _mediaTags = [];
    private long _mediaBytes;
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private bool _toldTooLarge;
    private string? _stored;

    /// <summary>Other things count by their bytes, about as much memory.</summary>
    public int PendingPoints => _points.Count + (int)(_mediaBytes / 100);

    /// <summary>Lines of the log that were looked at.</summary>
    public long LogLines { get; private set; }

    public async Task LoadAsync(ISeriesStore store, CancellationToken ct)
    {
        _stored = await store.FindEventCursorAsync(target.AttemptId, ct);
        var cursor = EventCursor.Parse(_stored);
        LogLines = cursor.Log;
        foreach (var (name, at) in cursor.Files)
        {
            _files[name] = at == EventCursor.GivenUp ? null : new EventFileReader(at);
        }
    }

    /// <summary>The next byte that is wanted of each file that is known; -1 of one that was given up.</summary>
    public Dictionary<string, long> Wanted() =>
        _files.ToDictionary(f => f.Key, f => f.Value?.Position ?? EventCursor.GivenUp, StringComparer.Ordinal);

    public void Feed(string name, long offset, ReadOnlySpan<byte> bytes)
    {
        var folder = EventFileRound.FolderOf(name);
        if (!_files.TryGetValue(name, out var reader))
        {
            if (_files.Count >= EventFileRound.MaxTracked)
            {
                Tell($"Only the first {EventFileRound.MaxTracked} event files are read.");
                return;
            }
            if (folder.Length > MaxFolder)
            {
                Tell($"Event files in folders of more than {MaxFolder} characters are not read.");
                return;
            }
            _files[name] = reader = new EventFileReader();
        }
        if (reader is null || offset != reader.Position)
        {
            return;
        }
        reader.Append(bytes, _scalars, media is null ? null : _found);
        Take(folder);
        TakeMedia(folder);
        if (media is not null && !_toldTooLarge && reader.TooLarge is { } tag)
        {
            _toldTooLarge = true;
            Tell(
                $"Images, texts and histograms above {EventFileRecords.MostKept >> 20} MiB are not kept: the first is \"{tag}\" in event file {name}."
            );
        }
        if (reader.Damaged)
        {
            Tell($"Event file {name} is damaged at byte {reader.Offset}: what follows there is not read.");
            _files[name] = null;
        }
    }

    /// <summary>Takes what lines of the log said, up to that line.</summary>
    public void FeedLog(LogPiece piece)
    {
        LogLines = piece.NextLine;
        _scalars.AddRange(piece.Scalars);
        Take(LogPiece.Folder);
    }

    /// <summary>Stores points and positions in one transaction; does nothing where neither moved.</summary>
    public async Task SaveAsync(CancellationToken ct)
    {
        var cursor = new EventCursor(
            _files.ToDictionary(f => f.Key, f => f.Value?.Offset ?? EventCursor.GivenUp, StringComparer.Ordinal),
            LogLines
        ).ToJson();
        if (cursor == _stored || (_files.Count == 0 && LogLines == 0))
        {
            return;
        }
        if (media is not null && _media.Count > 0)
        {
            // Before the cursor: read again after a crash, each takes its own place
            await media.WriteAsync(target.WorkloadId, _media, ct);
            _media.Clear();
            _mediaBytes = 0;
        }
        await writer.WriteCurvesAsync(target.AttemptId, _points, cursor, ct);
        _stored = cursor;
        _points.Clear();
    }

    public void Tell(string sentence)
    {
        if (_told.Add(sentence))
        {
            Log.EventFiles(logger, target.WorkloadId, target.Replica, target.Attempt, sentence);
            notice(sentence);
        }
    }

    private void Take(string folder)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var s in _scalars)
        {
            if (!_curves.TryGetValue((folder, s.Tag), out var key))
            {
                if (_curves.Count >= MaxCurves)
                {
                    Tell($"Only the first {MaxCurves} curves are kept.");
                    continue;
                }
                _curves[(folder, s.Tag)] = key = target.KeyOf(s.Tag, folder);
            }
            _points.Add((key, new SeriesPoint(s.Step, Believed(s.WallTime, now), s.Value)));
        }
        _scalars.Clear();
    }

    private void TakeMedia(string folder)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var m in _found)
        {
            if (!_mediaTags.Contains((m.Kind, m.Tag, folder)) && _mediaTags.Count >= RunMedia.MostTags)
            {
                Tell($"Only the first {RunMedia.MostTags} histograms, images and texts are kept.");
                continue;
            }
            _mediaTags.Add((m.Kind, m.Tag, folder));
            var source = target.KeyOf(m.Tag, folder).Source;
            _media.Add(new MediaItem(m.Kind, m.Tag, source, m.Step, Believed(m.WallTime, now), m.Data));
            _mediaBytes += m.Data.Length + 100;
        }
        _found.Clear();
    }

    /// <summary>A clock that is far ahead of ours would push every later point out there with it.</summary>
    private static long Believed(double wallTime, long now)
    {
        var millis = Math.Round(wallTime * 1000);
        return millis >= 0 && millis <= now + BelievedAheadMillis ? (long)millis : now;
    }
}
