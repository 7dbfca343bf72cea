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

internal readonly record struct Usage(int Gpus, double Cpus, long Memory, int Running)
{
    public Usage Plus(in Usage more) =>
        new(Gpus + more.Gpus, Cpus + more.Cpus, Memory + more.Memory, Running + more.Running);
}

/// <summary>What teams and users hold, and what this plan gives them, against the most they may hold.</summary>
internal sealed class Quotas
{
    private readonly TeamIndex _teams;
    private readonly UserSlot[] _users;
    private readonly Dictionary<Guid, int> _userIndex = [];
    private readonly Usage[] _byTeam;
    private readonly Usage[] _byUser;

    /// <summary>The part of it that jobs do not hold yet, which hosts are reserved for.</summary>
    private readonly Usage[] _promisedToTeam;
    private readonly Usage[] _promisedToUser;

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
        _promisedToTeam = new Usage[teams.Count];
        _promisedToUser = new Usage[_users.Length];
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

    /// <summary>Hosts are reserved for it: those behind it in the queue do not get what its quotas have left for it.</summary>
    public void Promise(Asker asker)
    {
        Give(asker);
        var asked = Asked(asker.Shape.Whole);
        _promisedToTeam[asker.Team] = _promisedToTeam[asker.Team].Plus(asked);
        if (asker.User >= 0)
        {
            _promisedToUser[asker.User] = _promisedToUser[asker.User].Plus(asked);
        }
    }

    /// <summary>What it borrowed would count against a job of its own team that hosts are reserved for.</summary>
    public bool WouldTakeFromOwn(Asker asker) => _promisedToTeam[asker.Team].Gpus > 0;

    /// <summary>Every quota that stands in its way, the user's own first.</summary>
    public ImmutableArray<WaitReason> Explain(Asker asker)
    {
        var asked = Asked(asker.Shape.Whole);
        var team = _teams[asker.Team];
        var of = new QuotaUse($"team {team.Name}", team.Quota, _byTeam[asker.Team], _promisedToTeam[asker.Team]);
        var borrow = asker.Job.Preemptible
            ? "; none that it could borrow is idle"
            : "; a preemptible job may borrow idle ones";
        if (asker.User < 0)
        {
            return [.. of.Over(asked, borrow)];
        }
        var user = _users[asker.User];
        var own = new QuotaUse($"user {user.Name}", user.Quota, _byUser[asker.User], _promisedToUser[asker.User]);
        return [.. own.Over(asked, ""), .. of.Over(asked, borrow)];
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
}
