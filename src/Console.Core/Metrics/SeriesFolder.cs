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

    private readonly Dictionary<long, (int Rows, int Bytes)> _written = [];

    public void Forget() => _written.Clear();

    /// <summary>How many rows these have is not known: they are folded next.</summary>
    public void TakeUp(IReadOnlyCollection<long> shelves)
    {
        foreach (var shelf in shelves)
        {
            _written[shelf] = (MostRows, 0);
        }
    }

    /// <summary>Counts rows that were written.</summary>
    public void Count(IReadOnlyCollection<ShelfRow> rows)
    {
        foreach (var row in rows)
        {
            var (count, bytes) = _written.GetValueOrDefault(row.Shelf);
            _written[row.Shelf] = (count + 1, bytes + row.Data.Length);
        }
    }

    /// <summary>Brings together what has become too much.</summary>
    public async Task FoldAsync(CancellationToken ct)
    {
        var full = _written
            .Where(w => w.Value.Rows >= MostRows || w.Value.Bytes >= MostBytes)
            .Select(w => w.Key)
            .ToArray();
        if (full.Length > 0)
        {
            await store.FoldAsync(full, settle: false, ct);
            foreach (var shelf in full)
            {
                _written.Remove(shelf);
            }
        }
    }

    /// <summary>Empties shelves to which nothing comes any more; answers them.</summary>
    public async Task<IReadOnlyCollection<long>> SettleAsync(CancellationToken ct)
    {
        var quiet = await store.FindQuietShelvesAsync(s_settled, Piece, ct);
        if (quiet.Count > 0)
        {
            await store.FoldAsync(quiet, settle: true, ct);
            foreach (var shelf in quiet)
            {
                _written.Remove(shelf);
            }
        }
        return quiet;
    }
}
