namespace DeepLab.Core.Metrics;

/// <summary>
/// Groups the GPU probe's lines into rounds, and says which devices there are. A device is gone once two rounds went by
/// without it: one line that came late must not make it sick.
/// </summary>
internal sealed class GpuRounds
{
    private readonly Dictionary<string, (GpuInventoryRow Row, long Round)> _known = new(StringComparer.Ordinal);
    private readonly HashSet<string> _thisRound = new(StringComparer.Ordinal);
    private IReadOnlyList<GpuInventoryRow>? _told;
    private long _round;
    private bool _skipsFirst;

    /// <param name="fromMiddle">the probe ran before: the first round may be cut and is not believed</param>
    public void Begin(bool fromMiddle)
    {
        _skipsFirst = fromMiddle;
        _thisRound.Clear();
    }

    /// <summary>Does a device of this name begin another round?</summary>
    public bool Begins(string uuid) => _thisRound.Contains(uuid);

    /// <summary>Nothing of this round has come yet.</summary>
    public bool IsEmpty => _thisRound.Count == 0;

    public void Add(GpuInventoryRow row)
    {
        _thisRound.Add(row.Uuid);
        _known[row.Uuid] = (row, _round);
    }

    /// <summary>The round is over; answers the devices where that differs from what was told before, else null.</summary>
    public IReadOnlyList<GpuInventoryRow>? End()
    {
        if (_thisRound.Count == 0)
        {
            return null;
        }
        _thisRound.Clear();
        _round++;
        if (_skipsFirst)
        {
            _skipsFirst = false;
            return null;
        }
        foreach (var (uuid, (_, seen)) in _known)
        {
            if (seen < _round - 2)
            {
                _known.Remove(uuid);
            }
        }
        return Tell([
            .. _known.Values.Select(k => k.Row).OrderBy(r => r.Index).ThenBy(r => r.Uuid, StringComparer.Ordinal),
        ]);
    }

    /// <summary>The probe cannot run or finds no device.</summary>
    public IReadOnlyList<GpuInventoryRow>? None()
    {
        _known.Clear();
        _thisRound.Clear();
        return Tell([]);
    }

    /// <summary>What was told did not arrive: tell it again.</summary>
    public void Forget() => _told = null;

    private IReadOnlyList<GpuInventoryRow>? Tell(IReadOnlyList<GpuInventoryRow> rows)
    {
        if (_told is not null && _told.SequenceEqual(rows))
        {
            return null;
        }
        _told = rows;
        return rows;
    }
}
