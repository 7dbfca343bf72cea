namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>Which pairs of hosts are measured, and which of them at the same time. Pure.</summary>
internal static class PairTurns
{
    /// <summary>Hosts that one job measures; the others' turn comes with later jobs.</summary>
    public const int MostHosts = 16;

    /// <summary>All pairs, each ordered.</summary>
    public static IEnumerable<(Guid First, Guid Second)> Among(IReadOnlyList<Guid> hosts) =>
        hosts.SelectMany((a, i) => hosts.Skip(i + 1).Select(b => Clusters.HostPair.Order(a, b)));

    /// <summary>In this order, as many as have no more than <see cref="MostHosts"/> hosts.</summary>
    public static IReadOnlyList<(Guid First, Guid Second)> Some(IEnumerable<(Guid First, Guid Second)> pairs)
    {
        var hosts = new HashSet<Guid>();
        var taken = new List<(Guid, Guid)>();
        foreach (var (first, second) in pairs)
        {
            var more = (hosts.Contains(first) ? 0 : 1) + (hosts.Contains(second) ? 0 : 1);
            if (hosts.Count + more <= MostHosts)
            {
                hosts.Add(first);
                hosts.Add(second);
                taken.Add((first, second));
            }
        }
        return taken;
    }

    /// <summary>Turns, one after the other: in each of them no host is in two pairs, which would share its link.</summary>
    public static IEnumerable<IReadOnlyList<(Guid First, Guid Second)>> Turns(
        IEnumerable<(Guid First, Guid Second)> pairs
    )
    {
        var left = pairs.ToList();
        while (left.Count > 0)
        {
            var busy = new HashSet<Guid>();
            var turn = new List<(Guid, Guid)>();
            foreach (var pair in left)
            {
                if (!busy.Contains(pair.First) && !busy.Contains(pair.Second))
                {
                    busy.Add(pair.First);
                    busy.Add(pair.Second);
                    turn.Add(pair);
                }
            }
            left.RemoveAll(turn.Contains);
            yield return turn;
        }
    }
}
