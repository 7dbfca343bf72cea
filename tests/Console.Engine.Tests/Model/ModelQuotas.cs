namespace DeepLab.Engine.Tests.Model;

/// <summary>What a look at the database shows of where a job is.</summary>
internal readonly record struct PlacedJob(long Id, string Team, bool Preemptible, int Held, DateTime? PlacedAt);

/// <summary>
/// Quotas of teams as they may be, given which edits were asked for and which were answered. A lowered quota stops nobody;
/// whoever was placed meanwhile must be within it. Only jobs that cannot borrow are counted.
/// </summary>
internal sealed class ModelQuotas
{
    private const int NoLimit = int.MaxValue;
    private readonly Dictionary<string, HashSet<int>> _may = new(StringComparer.Ordinal);
    private Dictionary<string, int> _answered = new(StringComparer.Ordinal);
    private Dictionary<string, int> _settled = new(StringComparer.Ordinal);
    private readonly Dictionary<long, DateTime?> _placed = [];

    /// <summary>From now on it may be so.</summary>
    public void Ask(string team, int? gpus)
    {
        _answered.Remove(team);
        _settled.Remove(team);
        Of(team).Add(gpus ?? NoLimit);
    }

    /// <summary>It is so. A placement that read the quota before that may still be seen at the next look, and at the one after.</summary>
    public void Know(string team, int? gpus) => _answered[team] = gpus ?? NoLimit;

    /// <summary>Sentences about placements since the last look that no quota allowed.</summary>
    public IReadOnlyList<string> Follow(IEnumerable<PlacedJob> jobs)
    {
        var broken = new List<string>();
        foreach (var team in jobs.Where(j => !j.Preemptible).GroupBy(j => j.Team))
        {
            var isNew = team.Where(j => j.Held > 0 && _placed.GetValueOrDefault(j.Id) != j.PlacedAt).ToArray();
            var (held, most) = (team.Sum(j => j.Held), Of(team.Key).Max());
            if (isNew.Length > 0 && held > most)
            {
                broken.Add($"14: job {isNew[^1].Id} was placed, and team {team.Key} holds {held} of {most} GPUs");
            }
            foreach (var job in team)
            {
                _placed[job.Id] = job.PlacedAt;
            }
        }
        foreach (var (team, gpus) in _settled)
        {
            _may[team] = [gpus];
        }
        (_settled, _answered) = (_answered, []);
        return broken;
    }

    private HashSet<int> Of(string team) => _may.TryGetValue(team, out var may) ? may : _may[team] = [NoLimit];
}
