namespace DeepLab.Core.Metrics;

/// <summary>
/// Brings the rows of a shelf together: what is sealed in a block is dropped, the rest is one row again, or, where nothing
/// more is expected, blocks.
/// </summary>
internal static class SeriesFold
{
    /// <param name="last">the last block of each series and resolution</param>
    /// <param name="alive">series that are still there; of others nothing is kept</param>
    public static SeriesWrite Fold(
        IReadOnlyCollection<ShelfRow> rows,
        IReadOnlyDictionary<(long SeriesId, int Resolution), SeriesBlock> last,
        IReadOnlySet<long> alive,
        bool settle
    )
    {
        var blocks = new List<SeriesBlock>();
        var rest = new List<ShelfRow>();
        foreach (var shelf in rows.GroupBy(r => r.Shelf))
        {
            var parts = new List<SeriesShelf.Part>();
            foreach (var ((id, resolution), open) in SeriesShelf.Read(shelf, last))
            {
                if (open.Count == 0 || !alive.Contains(id))
                {
                    continue;
                }
                if (settle)
                {
                    blocks.AddRange(SeriesBlocks.Seal(id, resolution, last.GetValueOrDefault((id, resolution)), open));
                }
                else
                {
                    parts.Add(new SeriesShelf.Part(id, resolution, open));
                }
            }
            if (parts.Count > 0)
            {
                rest.Add(SeriesShelf.Pack(shelf.Key, parts));
            }
        }
        return new SeriesWrite(blocks, rest, [.. rows.Select(r => (r.Shelf, r.Id))]);
    }
}
