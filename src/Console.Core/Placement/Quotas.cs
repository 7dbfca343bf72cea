using System.Collections.Immutable;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

internal enum QuotaAnswer
{
    Within,

    /// <summary>Above its team's GPUs, and preemptible: it may have idle ones nobody within a quota wants.</summary>
    MayBorrow,
    Reached,
}

/// <summary>What teams and users hold, and what this plan gives them, against the most they may hold.</summary>
internal sealed class Quotas
{
    private readonly TeamIndex _teams;
    private readonly UserSlot[] _users;
    private readonly Dictionary<Guid, int> _userIndex = [];
    private readonly Usage[] _byTeam;
    private readonly Usage[] _byUser;

    private readonly record struct Usage(int Gpus, double Cpus, long Memory, int Running)
    {
        public Usage Plus(in Usage more) =>
            new(Gpus + more.Gpus, Cpus + more.Cpus, Memory + more.Memory, Running + more.Running);
    }

    public Quotas(FleetSnapshot fleet, TeamIndex teams)
    {
        _teams = teams;
        _users = new UserSlot[fleet.Users.Length];
        for (var u = 0; u < _users.Length; u++)
        {
            _users[u] = fleet.Users[u];
            _userIndex[fleet.Users[u].Id] = u;
        }
        _byTeam = new Usage[teams.Count];
        _byUser = new Usage[_users.Length];
        foreach (var job in fleet.Running)
        {
            var usage = new Usage(0, 0, 0, 1);
            foreach (var holding in job.Holdings)
            {
                usage = usage.Plus(new Usage(holding.Gpus.Length, holding.Cpus, holding.MemoryBytes, 0));
            }
            Add(teams.Of(job.Team), User(job.OwnerId), usage);
        }
    }

    /// <summary>-1 for a user without a quota.</summary>
    public int User(Guid id) => _userIndex.Count > 0 && _userIndex.TryGetValue(id, out var user) ? user : -1;

    public QuotaAnswer Ask(Asker asker)
    {
        var asked = Asked(asker.Shape.Whole);
        if (asker.User >= 0)
        {
            var (own, ownHeld) = (_users[asker.User].Quota, _byUser[asker.User].Plus(asked));
            if (!Holds(own, ownHeld) || !GpusHold(own, ownHeld, asked))
            {
                return QuotaAnswer.Reached;
            }
        }
        var quota = _teams[asker.Team].Quota;
        var held = _byTeam[asker.Team].Plus(asked);
        return !Holds(quota, held) ? QuotaAnswer.Reached
            : GpusHold(quota, held, asked) ? QuotaAnswer.Within
            : asker.Job.Preemptible ? QuotaAnswer.MayBorrow
            : QuotaAnswer.Reached;
    }

    public void Give(Asker asker) => Add(asker.Team, asker.User, Asked(asker.Shape.Whole));

    /// <summary>Every quota that stands in its way, the user's own first.</summary>
    public ImmutableArray<WaitReason> Explain(Asker asker)
    {
        var reasons = ImmutableArray.CreateBuilder<WaitReason>();
        var asked = Asked(asker.Shape.Whole);
        if (asker.User >= 0)
        {
            var user = _users[asker.User];
            Explain($"user {user.Name}", user.Quota, _byUser[asker.User], asked, "", reasons);
        }
        var team = _teams[asker.Team];
        var borrow = asker.Job.Preemptible
            ? "; none that it could borrow is idle"
            : "; a preemptible job may borrow idle ones";
        Explain($"team {team.Name}", team.Quota, _byTeam[asker.Team], asked, borrow, reasons);
        return reasons.ToImmutable();
    }

    private void Add(int team, int user, in Usage usage)
    {
        _byTeam[team] = _byTeam[team].Plus(usage);
        if (user >= 0)
        {
            _byUser[user] = _byUser[user].Plus(usage);
        }
    }

    private static Usage Asked(Part whole) => new(whole.Gpus, whole.Cpus, whole.Memory, 1);

    private static bool GpusHold(Quota quota, in Usage held, in Usage asked) =>
        asked.Gpus == 0 || quota.Gpus is not { } gpus || held.Gpus <= gpus;

    private static bool Holds(Quota quota, in Usage held) =>
        (quota.Cpus is not { } cpus || held.Cpus <= cpus + Room.Epsilon)
        && (quota.Memory is not { } memory || held.Memory <= memory)
        && (quota.Running is not { } running || held.Running <= running);

    private static void Explain(
        string who,
        Quota quota,
        in Usage held,
        in Usage asked,
        string borrow,
        ImmutableArray<WaitReason>.Builder reasons
    )
    {
        if (asked.Gpus > 0)
        {
            Over(who, "GPUs", held.Gpus, asked.Gpus, quota.Gpus, borrow, Words.Number, reasons);
        }
        Over(who, "CPUs", held.Cpus, asked.Cpus, quota.Cpus, "", Words.Number, reasons);
        Over(who, "of memory", held.Memory, asked.Memory, quota.Memory, "", Words.Bytes, reasons);
        if (quota.Running is { } most && held.Running >= most)
        {
            reasons.Add(
                new WaitReason(
                    WaitKind.QuotaReached,
                    $"{who} has {held.Running} of at most {most} workloads running",
                    1,
                    Math.Max(0, most - held.Running),
                    most
                )
            );
        }
    }

    private static void Over(
        string who,
        string what,
        double held,
        double asked,
        double? most,
        string borrow,
        Func<double, string> say,
        ImmutableArray<WaitReason>.Builder reasons
    )
    {
        if (most is not { } limit || held + asked <= limit + Room.Epsilon)
        {
            return;
        }
        var message =
            asked > limit + Room.Epsilon
                ? $"needs {say(asked)} {what}; the quota of {who} is {say(limit)} altogether{borrow}"
                : $"{who} holds {say(held)} of the {say(limit)} {what} of its quota; needs {say(asked)} more{borrow}";
        reasons.Add(new WaitReason(WaitKind.QuotaReached, message, asked, Math.Max(0, limit - held), limit));
    }
}
