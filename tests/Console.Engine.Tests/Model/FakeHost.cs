using System.Collections.Concurrent;
using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Tests.Engines;

namespace DeepLab.Engine.Tests.Model;

/// <summary>A machine in memory: its engine runs scripts and probes by the lab's clock.</summary>
internal sealed class FakeHost
{
    private static readonly TimeSpan s_probeEvery = TimeSpan.FromSeconds(5);
    private const string Image = "deeplab/base:13";
    private readonly TimeProvider _time;
    private readonly Book _book;
    private readonly ConcurrentDictionary<string, ITimer> _timers = new();

    public FakeHost(string name, int gpus, TimeProvider time, Book book)
    {
        (Name, _time, _book) = (name, time, book);
        Gpus = [.. Enumerable.Range(0, gpus).Select(i => $"GPU-{name}-{i}")];
        Engine = new FakeEngine(time) { OnStart = Started };
        Engine.Info = Engine.Info with { EngineId = name, Name = name, EngineVersion = "29.4.0", LiveRestore = true };
        Engine.Images[Image] = new ImageInfo("sha256:0", Image, 1 << 20, new Dictionary<string, string>());
    }

    public string Name { get; }
    public string Address => $"unix:///fake/{Name}";
    public IReadOnlyList<string> Gpus { get; }
    public FakeEngine Engine { get; }
    public bool IsAway { get; private set; }
    private bool _losesPower;

    public void GoAway()
    {
        IsAway = true;
        Engine.GoAway();
    }

    public void Return()
    {
        if (_losesPower)
        {
            _losesPower = false;
            EndAll(_ => 255);
        }
        IsAway = false;
        Engine.Return();
    }

    /// <summary>Its door closes before it ends its containers, so that nobody hears of their ends before it is back.</summary>
    public void StopEngine()
    {
        GoAway();
        EndAll(c => c.ExitCodeOnTerm ?? 137);
    }

    public void LosePower()
    {
        GoAway();
        _losesPower = true;
    }

    /// <summary>By <see cref="Engine"/>'s own word, away or not; a machine without power runs nothing.</summary>
    public IEnumerable<FakeContainer> Running => Engine.Containers.Where(c => c.IsRunning && AttemptOf(c) is not null);

    public static long? AttemptOf(FakeContainer c) =>
        c.Plan.Labels.TryGetValue(Labels.Attempt, out var id) ? long.Parse(id, CultureInfo.InvariantCulture) : null;

    private void EndAll(Func<FakeContainer, int> code)
    {
        foreach (var c in Engine.Containers.Where(c => c.IsRunning))
        {
            Engine.End(c, code(c));
        }
    }

    private void Started(FakeContainer c)
    {
        if (c.Plan.Labels.TryGetValue(Labels.Probe, out var kind))
        {
            Tell(c, kind);
            _timers[c.Id] = _time.CreateTimer(_ => Tell(c, kind), null, s_probeEvery, s_probeEvery);
            return;
        }
        var script = Script.Read(c.Plan.Env);
        var round = int.Parse(c.Plan.Env["DEEPLAB_ATTEMPT"], CultureInfo.InvariantCulture);
        var job = long.Parse(c.Plan.Labels[Labels.Workload], CultureInfo.InvariantCulture);
        var entry = _book.Of(AttemptOf(c)!.Value, job);
        entry.Starts.Enqueue(
            new BookStart($"{c.Plan.Name} as {c.Id[^4..]} on {Name}", c.StartedAt!.Value, entry.Lines.Count)
        );
        c.ExitCodeOnTerm = script.OnTerm;
        Write($"round {round}");
        _timers[c.Id] = _time.CreateTimer(
            _ => End(),
            null,
            TimeSpan.FromSeconds(script.Seconds),
            Timeout.InfiniteTimeSpan
        );

        void Write(string line)
        {
            entry.Lines.Enqueue(line);
            c.Write(line);
        }

        void End()
        {
            Drop(c);
            // A machine without power computes nothing
            if (c.FinishedAt is null && !_losesPower)
            {
                Write("done");
                if (Engine.End(c, script.CodeOf(round)))
                {
                    entry.EndedWith = script.CodeOf(round);
                }
            }
        }
    }

    private void Tell(FakeContainer c, string kind)
    {
        if (!c.IsRunning)
        {
            Drop(c);
            return;
        }
        if (kind == "host")
        {
            c.Write("host 8 100 1000 67108864 60000000 1000000 1000");
            return;
        }
        if (kind == WallPlans.Kind)
        {
            c.Write(WallPlans.Holds);
            return;
        }
        foreach (var (gpu, i) in Gpus.Select((g, i) => (g, i)))
        {
            c.Write($"{i}, {gpu}, NVIDIA A100, 550.54, 81920, 0, 0, 40, 60, 00000000:0{i}:00.0, 0");
        }
    }

    private void Drop(FakeContainer c)
    {
        if (_timers.TryRemove(c.Id, out var timer))
        {
            timer.Dispose();
        }
    }
}
