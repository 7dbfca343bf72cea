using Span = (System.DateTimeOffset From, System.DateTimeOffset To);

namespace DeepLab.Core.Workloads.Receipts;

/// <summary>Makes the receipt of a run from what is known of it. Pure.</summary>
public static class ReceiptMaker
{
    /// <summary>GPUs, and replicas, that a receipt tells one by one.</summary>
    public const int MostTold = 64;

    /// <summary>of the CPUs that it may use: then they are full</summary>
    private const double Full = 0.95;

    public static Receipt Make(RunFacts run, DateTimeOffset now)
    {
        var at = run.EndedAt ?? now;
        var attempts = run.Attempts.Select(a => new Life(a, at)).ToArray();
        var held = Sum(attempts, a => [a.Held]);
        var ran = Sum(attempts, a => a.Ran is { } span ? [span] : []);
        var pulled = Sum(attempts, a => a.Pulls);
        var use = Split(attempts, ran);
        var measured = attempts.Where(a => a.IsMeasured).Select(a => a.Run.Round).DefaultIfEmpty(0).Max();
        var newest = attempts.Where(a => a.Run.Round == measured).ToArray();
        var receipt = new Receipt
        {
            At = at,
            Ended = run.EndedAt is not null,
            Rounds = attempts.Select(a => a.Run.Round).Distinct().Count(),
            Waited = Time(Waited(run, attempts, at), 0),
            Pulled = pulled,
            Prepared = Time(
                Math.Max(0, held.Seconds - ran.Seconds - pulled.Seconds),
                Math.Max(0, held.GpuSeconds - ran.GpuSeconds - pulled.GpuSeconds)
            ),
            Computed = use.Computed,
            Idle = use.Idle,
            Unmeasured = use.Unmeasured,
            Unsaved = Unsaved(run, attempts),
            By = use.By,
            Gpus = [.. newest.SelectMany(a => a.GpuUses()).Take(MostTold)],
            Replicas = [.. newest.Select(a => a.Use()).OfType<ReplicaUse>().Take(MostTold)],
        };
        return receipt with { Findings = [.. ReceiptFindings.Of(receipt), .. ReceiptFindings.Of(run.SlowNetworks)] };
    }

    /// <summary>Before each round, and since the last where none runs.</summary>
    private static double Waited(RunFacts run, Life[] attempts, DateTimeOffset at)
    {
        var (free, waited) = (run.SubmittedAt, 0.0);
        foreach (var round in attempts.GroupBy(a => a.Run.Round).OrderBy(g => g.Key))
        {
            waited += Math.Max(0, (round.Min(a => a.Held.From) - free).TotalSeconds);
            free = round.Max(a => a.Held.To);
        }
        var isHeld = run.EndedAt is null && attempts.Any(a => a.Run.EndedAt is null);
        return isHeld ? waited : waited + Math.Max(0, (at - free).TotalSeconds);
    }

    /// <summary>What each round did after its last checkpoint, but for what ended well.</summary>
    private static Spent Unsaved(RunFacts run, Life[] attempts)
    {
        var (seconds, gpus) = (0.0, 0.0);
        var last = attempts.Select(a => a.Run.Round).DefaultIfEmpty(0).Max();
        foreach (var round in attempts.GroupBy(a => a.Run.Round).Where(g => !(run.Succeeded && g.Key == last)))
        {
            var longest = 0.0;
            foreach (var attempt in round.Where(a => !a.Run.Completed))
            {
                if (attempt.Ran is { } span)
                {
                    var saved = run.Saved.GetValueOrDefault(round.Key);
                    var lost = Math.Max(0, (span.To - (saved > span.From ? saved : span.From)).TotalSeconds);
                    longest = Math.Max(longest, lost);
                    gpus += lost * attempt.Run.Gpus.Count;
                }
            }
            seconds += longest;
        }
        return Time(seconds, gpus);
    }

    private static (Spent Computed, Spent Idle, Spent Unmeasured, Measure By) Split(Life[] attempts, Spent ran)
    {
        var byGpu = ran.GpuSeconds > 0;
        var (total, observed, busy) = (0.0, 0.0, 0.0);
        foreach (var attempt in attempts)
        {
            if (attempt.Ran is not { } span)
            {
                continue;
            }
            var length = (span.To - span.From).TotalSeconds;
            total += byGpu ? length * attempt.Run.Gpus.Count : length;
            foreach (var (seconds, share) in byGpu ? attempt.GpuShares() : attempt.CpuShares())
            {
                observed += seconds;
                busy += seconds * share;
            }
        }
        observed = Math.Min(observed, total);
        busy = Math.Min(busy, observed);
        Spent Part(double of) =>
            total <= 0 ? Spent.Nothing : Time(ran.Seconds * of / total, ran.GpuSeconds * of / total);
        var by =
            observed <= 0 ? Measure.None
            : byGpu ? Measure.Gpu
            : Measure.Cpu;
        return (Part(busy), Part(observed - busy), Part(total - observed), by);
    }

    /// <summary>Samples are no finer than milliseconds.</summary>
    private static Spent Time(double seconds, double gpuSeconds) =>
        new(Math.Round(seconds, 3), Math.Round(gpuSeconds, 3));

    private static Spent Sum(Life[] attempts, Func<Life, IReadOnlyList<Span>> spans) =>
        Time(
            Covered(attempts.SelectMany(spans)),
            attempts.Sum(a => a.Run.Gpus.Count * spans(a).Sum(s => (s.To - s.From).TotalSeconds))
        );

    /// <summary>Seconds that at least one of them covers.</summary>
    private static double Covered(IEnumerable<Span> spans)
    {
        var (seconds, reached) = (0.0, DateTimeOffset.MinValue);
        foreach (var (from, to) in spans.OrderBy(s => s.From))
        {
            var begin = from > reached ? from : reached;
            if (to > begin)
            {
                seconds += (to - begin).TotalSeconds;
                reached = to;
            }
        }
        return seconds;
    }

    /// <summary>An attempt within the time that counts; clocks of engines may say otherwise.</summary>
    private sealed class Life
    {
        private readonly UseFigures _cpu;
        private readonly UseFigures[] _gpus;

        public Life(AttemptRun run, DateTimeOffset at)
        {
            Run = run;
            var end = run.EndedAt is { } ended && ended < at ? ended : at;
            Held = (run.LeasedAt, end > run.LeasedAt ? end : run.LeasedAt);
            Ran = run.StartedAt is { } began ? (Clamp(began), Held.To) : null;
            // What is pulled while its program runs is another's
            var until = Ran?.From ?? Held.To;
            Pulls = [.. run.Pulls.Select(p => (Clamp(p.From), Clamp(p.To < until ? p.To : until)))];
            var span = Ran ?? (Held.To, Held.To);
            _cpu = UseFigures.Of(run.Cpu, span.From, span.To, run.Cpus > 0 ? Full * run.Cpus : double.PositiveInfinity);
            _gpus = [.. run.Gpus.Select(g => UseFigures.Of(g.Utilisation, span.From, span.To))];
        }

        public AttemptRun Run { get; }
        public Span Held { get; }
        public Span? Ran { get; }
        public IReadOnlyList<Span> Pulls { get; }
        public bool IsMeasured => _cpu.Seconds > 0 || _gpus.Any(g => g.Seconds > 0);

        public IEnumerable<(double Seconds, double Share)> GpuShares() =>
            _gpus.Select(g => (g.Seconds, Math.Clamp(g.Mean / 100, 0, 1)));

        public IEnumerable<(double Seconds, double Share)> CpuShares() =>
            Run.Cpus > 0 ? [(_cpu.Seconds, Math.Clamp(_cpu.Mean / Run.Cpus, 0, 1))] : [];

        public IEnumerable<GpuUse> GpuUses() =>
            Run.Gpus.Select(
                (g, i) =>
                    new GpuUse(
                        $"{Run.Replica} GPU {i}",
                        g.Uuid,
                        g.Model,
                        _gpus[i].Seconds,
                        _gpus[i].Mean,
                        _gpus[i].Peak,
                        (long)Peak(g.Memory),
                        g.MemoryBytes,
                        Peak(g.Temperature)
                    )
            );

        public ReplicaUse? Use() =>
            _cpu.Seconds <= 0
                ? null
                : new ReplicaUse(
                    Run.Replica,
                    _cpu.Seconds,
                    _cpu.Mean,
                    _cpu.Peak,
                    Run.Cpus,
                    _cpu.HighSeconds / _cpu.Seconds,
                    (long)Peak(Run.Memory),
                    Run.MemoryBytes
                );

        private double Peak(IReadOnlyList<UsePoint> points) =>
            Ran is { } span ? UseFigures.Of(points, span.From, span.To).Peak : 0;

        private DateTimeOffset Clamp(DateTimeOffset at) =>
            at < Held.From ? Held.From
            : at > Held.To ? Held.To
            : at;
    }
}
