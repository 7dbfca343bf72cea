using System.Collections.Concurrent;
using DeepLab.Core.Engines;

namespace DeepLab.Engine.Tests.Model;

/// <summary>The machines of a lab in memory: those that its console knows as hosts, and those that it does not know any more.</summary>
internal sealed class FakeMachines(TimeProvider time, Book book, RecentLog log) : IEngineFactory
{
    private readonly ConcurrentDictionary<string, FakeHost> _all = new(StringComparer.Ordinal);
    private readonly List<string> _entered = [];
    private int _made;

    /// <summary>Names of those that are hosts of the console.</summary>
    public IReadOnlyList<string> Entered => _entered;

    /// <summary>Of those that are entered.</summary>
    public int Gpus => _entered.Sum(h => _all[h].Gpus.Count);

    public FakeHost[] Reachable => [.. _all.Values.Where(m => !m.IsAway)];

    public IEnumerable<RunningContainer> Running =>
        _all.Values.SelectMany(m =>
            m.Running.Select(c => new RunningContainer(m.Name, c.Id, FakeHost.AttemptOf(c)!.Value, c.Plan.GpuUuids))
        );

    /// <summary>Given up and taken out while they were away: nobody can know what is left on them until they are entered again.</summary>
    private IEnumerable<FakeHost> Gone => _all.Values.Where(m => m.IsAway && !_entered.Contains(m.Name));

    IContainerEngine IEngineFactory.Get(string address, string? sealedCredentials) =>
        _all.Values.Single(m => m.Address == address).Engine;

    public void Enter(IEnumerable<string> names)
    {
        _entered.Clear();
        _entered.AddRange(names);
    }

    public FakeHost Make(int gpus)
    {
        var machine = new FakeHost($"h{++_made}", gpus, time, book);
        _all[machine.Name] = machine;
        return machine;
    }

    /// <summary>One that was given up is found again, with what it ran then.</summary>
    public FakeHost FindOrMake(int gpus) => Gone.FirstOrDefault() ?? Make(gpus);

    /// <summary>False where it is no matter of machines, or of none that is there.</summary>
    public bool Do(Command command)
    {
        switch (command)
        {
            case Command.Lose c when At(c.Which) is { IsAway: false } machine:
                machine.GoAway();
                break;
            case Command.Return c when At(c.Which) is { IsAway: true } machine:
                machine.Return();
                break;
            case Command.KillEngine c when At(c.Which) is { IsAway: false } machine:
                machine.GoAway();
                machine.Return();
                break;
            case Command.StopEngine c when At(c.Which) is { IsAway: false } machine:
                machine.StopEngine();
                if (c.ComesBack)
                {
                    machine.Return();
                }
                break;
            case Command.PowerCycle c when At(c.Which) is { IsAway: false } machine:
                machine.LosePower();
                break;
            case Command.DropReply c:
                At(c.Which).Engine.LoseReplyOf(c.Verb);
                break;
            case Command.DropCall c:
                At(c.Which).Engine.FailNext(c.Verb, new EngineUnreachableException($"{c.Verb} was lost."));
                break;
            case Command.Vanish c
                when _entered.SelectMany(h => _all[h].Running.Select(r => (Machine: _all[h], Container: r))).ToArray()
                    is { Length: > 0 } all:
                var (where, victim) = all[c.Which % all.Length];
                log.Add($"{victim.Id[^4..]} on {where.Name} vanishes");
                where.Engine.Vanish(victim.Id);
                book.Vanished(FakeHost.AttemptOf(victim)!.Value, time.GetUtcNow());
                break;
            default:
                return false;
        }
        return true;
    }

    /// <summary>What must not be on any of them.</summary>
    public IEnumerable<string> Troubles(bool atRest)
    {
        var heldTwice = _all
            .Values.SelectMany(m => m.Engine.GpusHeldTwice)
            .Select(g => $"1: {g} was in two running containers");
        var containers = _all
            .Values.Except(atRest ? Gone : [])
            .SelectMany(m => m.Engine.Containers)
            .Select(FakeHost.AttemptOf)
            .OfType<long>()
            .GroupBy(a => a)
            .Where(g => atRest || g.Count() > 1)
            .Select(g => $"{(atRest ? 4 : 3)}: {g.Count()} containers of attempt {g.Key}");
        return heldTwice.Concat(containers);
    }

    /// <summary>Hosts that are away come back, and no call fails any more.</summary>
    public void Mend()
    {
        foreach (var machine in _all.Values.Except(Gone))
        {
            machine.Engine.FailNoMore();
            if (machine.IsAway)
            {
                machine.Return();
            }
        }
    }

    /// <summary>Those that are gone, and what was asked of the others.</summary>
    public void Forget()
    {
        foreach (var machine in Gone.ToArray())
        {
            _all.TryRemove(machine.Name, out _);
        }
        foreach (var machine in _all.Values)
        {
            machine.Engine.Calls.Clear();
        }
    }

    private FakeHost At(int which) => _all[_entered[which % _entered.Count]];
}
