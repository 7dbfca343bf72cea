using DeepLab.Core.Tenancy;

namespace DeepLab.Core.Placement;

/// <summary>
/// What part of the lab each team has, by its weight: GPUs held and given by this plan, and what it lately used, as the GPUs
/// that would have used it within a half-life. The team with the least goes next.
/// </summary>
internal sealed class Shares
{
    private readonly double[] _held;
    private readonly double[] _weights;
    private readonly double _cpus;
    private readonly double _memory;
    private readonly double _gpus;

    public Shares(FleetSnapshot fleet, HostTable hosts, TeamIndex teams)
    {
        foreach (var host in hosts.Slots)
        {
            _cpus += host.Cpus;
            _memory += host.MemoryBytes;
            _gpus += host.Gpus.Length;
        }
        _held = new double[teams.Count];
        _weights = new double[teams.Count];
        for (var t = 0; t < teams.Count; t++)
        {
            var slot = teams[t];
            _weights[t] = Weight(slot);
            _held[t] = slot.RecentGpuSeconds / Team.HalfLife.TotalSeconds;
        }
        foreach (var job in fleet.Running)
        {
            var (cpus, memory) = (0.0, 0L);
            foreach (var holding in job.Holdings)
            {
                cpus += holding.Cpus;
                memory += holding.MemoryBytes;
            }
            Give(teams.Of(job.Team), job.Gpus, cpus, memory);
        }
    }

    public double Of(int team) => _held[team] / _weights[team];

    public void Give(int team, Part part) => Give(team, part.Gpus, part.Cpus, part.Memory);

    /// <summary>A team with a quota of GPUs is measured against it: quotas of 6 and 2 are served 3:1.</summary>
    private static double Weight(TeamSlot team) =>
        (team.Weight > 0 ? team.Weight : 1e-9) * (team.Quota.Gpus is { } gpus ? Math.Max(gpus, 1) : 1);

    private void Give(int team, int gpus, double cpus, long memory) =>
        _held[team] += gpus > 0 ? gpus : Dominant(cpus, memory);

    /// <summary>Work without GPUs counts as the same part of the lab's GPUs that it takes of its CPUs or its memory.</summary>
    private double Dominant(double cpus, long memory) =>
        Math.Max(cpus / Math.Max(1, _cpus), memory / Math.Max(1, _memory)) * Math.Max(1, _gpus);
}

/// <summary>Teams by number; one that the snapshot does not name has neither weight nor quota of its own.</summary>
internal sealed class TeamIndex
{
    private readonly List<TeamSlot> _teams = [];
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private string? _lastName;
    private int _last;

    public TeamIndex(FleetSnapshot fleet, JobRequest[] queue)
    {
        foreach (var team in fleet.Teams)
        {
            if (_numbers.TryAdd(team.Name, _teams.Count))
            {
                _teams.Add(team);
            }
        }
        foreach (var job in fleet.Running)
        {
            Add(job.Team);
        }
        OfQueue = new int[queue.Length];
        for (var i = 0; i < queue.Length; i++)
        {
            Add(queue[i].Team);
            OfQueue[i] = _last;
        }
    }

    /// <summary>By place in the queue as it was given: a name is looked up once for each job.</summary>
    public int[] OfQueue { get; }

    public int Count => _teams.Count;
    public TeamSlot this[int team] => _teams[team];

    public int Of(string name)
    {
        if (!ReferenceEquals(name, _lastName))
        {
            (_lastName, _last) = (name, _numbers[name]);
        }
        return _last;
    }

    private void Add(string name)
    {
        if (ReferenceEquals(name, _lastName))
        {
            return;
        }
        _lastName = name;
        if (!_numbers.TryGetValue(name, out _last))
        {
            _last = _teams.Count;
            _numbers.Add(name, _last);
            _teams.Add(new TeamSlot(name, 1, Quota.None, 0));
        }
    }
}
