namespace DeepLab.Core.Workloads;

/// <summary>Which of the complete checkpoints of a job, or of one task of an array, stay. Pure.</summary>
public static class CheckpointKeeping
{
    /// <summary>So many wait for the metric to come as far as they are; a program writes the two in any order.</summary>
    private const int MostUnjudged = 2;

    /// <summary>
    /// Those beyond the <paramref name="keep"/> newest that are not pinned. The best by a metric stays too: a checkpoint has the value
    /// of the metric's last point at its step or before. One whose step the metric has not reached yet is not judged.
    /// </summary>
    /// <param name="newestFirst">complete ones; pinned ones may be the best</param>
    /// <param name="curve">by step, then time; null = no metric was named</param>
    public static IReadOnlyList<Checkpoint> Beyond(
        IReadOnlyList<Checkpoint> newestFirst,
        int keep,
        IReadOnlyList<(long Step, double Value)>? curve,
        BestBy by
    )
    {
        var beyond = newestFirst.Where(c => !c.Pinned).Skip(keep);
        if (curve is null)
        {
            return [.. beyond];
        }
        var reached = curve.Count > 0 ? curve[^1].Step : long.MinValue;
        var stay = newestFirst
            .Where(c => !c.Pinned)
            .Skip(keep)
            .Where(c => c.Step > reached)
            .Take(MostUnjudged)
            .ToHashSet();
        if (Best(newestFirst, curve, by) is { } best)
        {
            stay.Add(best);
        }
        return [.. beyond.Where(c => !stay.Contains(c))];
    }

    /// <summary>The newer of two that are alike; null where none has a finite value.</summary>
    public static Checkpoint? Best(
        IReadOnlyList<Checkpoint> newestFirst,
        IReadOnlyList<(long Step, double Value)> curve,
        BestBy by
    )
    {
        Checkpoint? best = null;
        var bestValue = double.NaN;
        var reached = curve.Count > 0 ? curve[^1].Step : long.MinValue;
        foreach (var c in newestFirst)
        {
            if (
                c.Step <= reached
                && ValueAt(curve, c.Step.Value) is { } value
                && (best is null || (by == BestBy.Least ? value < bestValue : value > bestValue))
            )
            {
                (best, bestValue) = (c, value);
            }
        }
        return best;
    }

    private static double? ValueAt(IReadOnlyList<(long Step, double Value)> curve, long step)
    {
        // The first point beyond
        var (low, high) = (0, curve.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (curve[middle].Step <= step)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low > 0 && double.IsFinite(curve[low - 1].Value) ? curve[low - 1].Value : null;
    }
}
