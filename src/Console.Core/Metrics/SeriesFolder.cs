namespace DeepLab.Core.Metrics;

/// <summary>
/// Keeps the rows of a shelf few, so that what a reader gathers is bounded: after so many rows or bytes they become one,
/// and blocks when nothing came for a while. Not for several threads.
/// </summary>
internal sealed class SeriesFolder(ISeriesStore store)
{
    private const int MostRows = 32;
    private const int MostBytes = 96 << 10;

    /// <summary>Shelves settled at once.</summary>
    private const int Piece = 200;

    /// <summary>A shelf to which nothing came for so long is emptied into blocks; every writer has forgotten its series by then.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromMinutes(10);

    private readonly Dictionary<long, Shelf> _shelves = [];

    public void Forget() => _shelves.Clear();

    /// <summary>What rows these have is not known: they are folded next.</summary>
    public void TakeUp(IEnumerable<long> shelves)
    {
        foreach (var shelf in shelves)
        {
            _shelves[shelf] = new Shelf { Count = MostRows };
        }
    }

    /// <summary>The rows written before for this shelf, where every point in them is in a block by now; else none.</summary>
    public IReadOnlyList<long> FindObsolete(long shelf) =>
        _shelves.TryGetValue(shelf, out var known) && !known.InRows.Any(a => a.HasOlder) ? known.Ids : [];

    /// <summary>Counts a row that was written.</summary>
    /// <param name="instead">of all that were counted before</param>
    public void Count(ShelfRow row, long id, IEnumerable<SeriesAppender> inRow, bool instead)
    {
        if (instead || !_shelves.TryGetValue(row.Shelf, out var known))
        {
            _shelves[row.Shelf] = known = new Shelf();
        }
        known.Count++;
        known.Bytes += row.Data.Length;
        known.Ids.Add(id);
        known.InRows.UnionWith(inRow);
    }

    public void Clear(IEnumerable<long> shelves)
    {
        foreach (var shelf in shelves)
        {
            _shelves.Remove(shelf);
        }
    }

    /// <summary>Brings together what has become too much.</summary>
    public async Task FoldAsync(CancellationToken ct)
    {
        var full = _shelves
            .Where(s => s.Value.Count >= MostRows || s.Value.Bytes >= MostBytes)
            .Select(s => s.Key)
            .ToArray();
        if (full.Length > 0)
        {
            await store.FoldAsync(full, settle: false, ct);
            Clear(full);
        }
    }

    /// <summary>Empties shelves to which nothing comes any more; answers them.</summary>
    public async Task<IReadOnlyCollection<long>> SettleAsync(CancellationToken ct)
    {
        var quiet = await store.FindQuietShelvesAsync(s_settled, Piece, ct);
        if (quiet.Count > 0)
        {
            await store.FoldAsync(quiet, settle: true, ct);
            Clear(quiet);
        }
        return quiet;
    }

    /// <summary>Rows since the last fold.</summary>
    private sealed class Shelf
    {
        public int Count { get; set; }
        public int Bytes { get; set; }
        public List<long> Ids { get; } = [];

        /// <summary>Whose points they hold. One that was forgotten since is there too, so that its rows stay.</summary>
        public HashSet<SeriesAppender> InRows { get; } = [];
    }
}
