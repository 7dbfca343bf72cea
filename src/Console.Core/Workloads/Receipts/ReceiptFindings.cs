namespace DeepLab.Core.Workloads.Receipts;

/// <summary>What the numbers of a receipt say, in words, each with what to do about it. Pure.</summary>
public static class ReceiptFindings
{
    /// <summary>What was seen for a shorter time proves nothing; seconds, of GPUs seconds of each.</summary>
    private const double LeastSeconds = 60;

    /// <summary>Share of its time from which on a GPU counts as idle.</summary>
    private const double MuchIdle = 0.5;

    /// <summary>Percent of utilisation below which a GPU was not used at all.</summary>
    private const double Unused = 1;
    private const double Low = 0.25;

    /// <summary>Slowdown begins at about 90 °C on the models of today.</summary>
    private const double Hot = 87;

    public static IReadOnlyList<RunFinding> Of(Receipt receipt) =>
        [.. Gpus(receipt), .. Machines(receipt), .. Time(receipt)];

    /// <summary>Sentences that are told as findings.</summary>
    private const int MostNetworks = 4;

    /// <param name="slowNetworks">what it was told of slow networks, the newest first</param>
    public static IEnumerable<RunFinding> Of(IReadOnlyList<string> slowNetworks) =>
        slowNetworks
            .Distinct()
            .Take(MostNetworks)
            .Select(message => new RunFinding(
                RunFindingKind.NetworkSlow,
                message,
                "Each step that the replicas take together waits for it: leave one of the hosts out (placement.excludeHosts), and tell whoever looks after them."
            ));

    private static IEnumerable<RunFinding> Gpus(Receipt receipt)
    {
        var gpus = receipt.Gpus.Where(g => g.Seconds >= LeastSeconds).ToArray();
        if (gpus.Length == 0)
        {
            yield break;
        }
        var measured = receipt.Computed.GpuSeconds + receipt.Idle.GpuSeconds;
        var idle = measured > 0 ? receipt.Idle.GpuSeconds / measured : 0;
        var unused = gpus.Where(g => g.PeakUtilisation < Unused).ToArray();
        if (unused.Length == gpus.Length)
        {
            yield return new RunFinding(
                RunFindingKind.GpuUnused,
                $"{(gpus.Length == 1 ? "its GPU had" : $"its {gpus.Length} GPUs had")} no work in {Seconds(gpus.Max(g => g.Seconds))}",
                "Check that the program moves its model and its data to the GPU and that its image has a build for GPUs; or ask for no GPUs."
            );
        }
        else if (unused.Length > 0)
        {
            yield return new RunFinding(
                RunFindingKind.SomeGpusUnused,
                $"{unused.Length} of {gpus.Length} GPUs had no work: {Names(unused.Select(g => g.Name))}",
                "Ask for as many GPUs as the program uses, or make it use all that it sees: one process for each, or data-parallel training."
            );
        }
        else if (idle >= MuchIdle)
        {
            var full = receipt.Replicas.Where(r => r.CpusFull >= MuchIdle).MaxBy(r => r.CpusFull);
            yield return new RunFinding(
                RunFindingKind.GpuIdle,
                $"GPU idle {idle:P0} of the time: the input pipeline is slow",
                full is null
                    ? "Load data in more worker processes and ahead of the step that needs it, from a volume that is near; or take a larger batch."
                    : $"The CPUs of {full.Name} were full {full.CpusFull:P0} of the time: ask for more of them (cpus), or prepare the data once, beforehand."
            );
        }
        if (gpus.Where(g => g.MemoryBytes > 0).MaxBy(g => (double)g.PeakMemoryBytes / g.MemoryBytes) is { } most)
        {
            var peak = $"peak {Of(most.PeakMemoryBytes, most.MemoryBytes)}";
            var share = (double)most.PeakMemoryBytes / most.MemoryBytes;
            if (share < Low)
            {
                yield return new RunFinding(
                    RunFindingKind.GpuMemoryLow,
                    $"{peak} of GPU memory: a smaller GPU would do",
                    "Ask for a smaller model (gpuModel), or take a larger batch."
                );
            }
            else if (share >= Full)
            {
                yield return new RunFinding(
                    RunFindingKind.GpuMemoryNearlyFull,
                    $"{peak} of GPU memory on {most.Name}: nearly full",
                    "A little more would end the run: take a smaller batch or a lower precision, or ask for more (gpuMemory). TensorFlow takes all there is unless it is told to grow."
                );
            }
        }
        if (gpus.MaxBy(g => g.PeakTemperature) is { PeakTemperature: >= Hot } hottest)
        {
            yield return new RunFinding(
                RunFindingKind.GpuHot,
                $"{hottest.Name} reached {hottest.PeakTemperature:0} °C",
                "A GPU that is so hot slows down: tell whoever looks after the host."
            );
        }
    }

    private const double Full = 0.95;

    private static IEnumerable<RunFinding> Machines(Receipt receipt)
    {
        var replicas = receipt.Replicas.Where(r => r.Seconds >= LeastSeconds).ToArray();
        var limited = replicas.Where(r => r.Cpus > 0).ToArray();
        if (limited.MaxBy(r => r.CpusFull) is { CpusFull: >= MuchIdle } full)
        {
            yield return new RunFinding(
                RunFindingKind.CpuFull,
                $"the CPUs of {full.Name} were full {full.CpusFull:P0} of the time: {full.MeanCpus:0.##} of {full.Cpus:0.##} cores in the mean",
                "It waits for CPU time: ask for more (cpus), or do less of the work in each step."
            );
        }
        else if (limited.MaxBy(r => r.PeakCpus / r.Cpus) is { Cpus: >= 4 } least && least.PeakCpus < Low * least.Cpus)
        {
            yield return new RunFinding(
                RunFindingKind.CpuLow,
                $"at most {least.PeakCpus:0.##} of {least.Cpus:0.##} cores were used by {least.Name}",
                "Ask for fewer (cpus): others may have the rest, and the run finds a place sooner."
            );
        }
        if (
            replicas.Where(r => r.MemoryBytes > 0).MaxBy(r => (double)r.PeakMemoryBytes / r.MemoryBytes) is not { } most
        )
        {
            yield break;
        }
        if (most.PeakMemoryBytes >= 0.9 * most.MemoryBytes)
        {
            yield return new RunFinding(
                RunFindingKind.MemoryNearlyFull,
                $"peak {Of(most.PeakMemoryBytes, most.MemoryBytes)} of memory in {most.Name}: nearly full",
                "A program that goes beyond is killed: ask for more (memory), or hold less data at once."
            );
        }
        else if (most.MemoryBytes >= 8L << 30 && most.PeakMemoryBytes < Low * most.MemoryBytes)
        {
            yield return new RunFinding(
                RunFindingKind.MemoryLow,
                $"peak {Of(most.PeakMemoryBytes, most.MemoryBytes)} of memory",
                "Ask for less (memory): others may have the rest."
            );
        }
    }

    private static IEnumerable<RunFinding> Time(Receipt receipt)
    {
        var unsaved = receipt.Unsaved;
        if (receipt.Ended && unsaved.Seconds >= LeastSeconds && unsaved.Seconds >= 0.05 * receipt.Ran)
        {
            var gpus = unsaved.GpuSeconds / unsaved.Seconds;
            yield return new RunFinding(
                RunFindingKind.WorkUnsaved,
                $"{Seconds(unsaved.Seconds)} of work{(gpus > 0 ? $" on {gpus:0.#} {(gpus == 1 ? "GPU" : "GPUs")}" : "")} went before a checkpoint held it",
                "Write checkpoints more often (checkpoint.everySteps), on a volume that all hosts have."
            );
        }
        var held = receipt.Pulled.Seconds + receipt.Prepared.Seconds + receipt.Ran;
        if (receipt.Pulled.Seconds >= 2 * LeastSeconds && receipt.Pulled.Seconds >= 0.1 * held)
        {
            yield return new RunFinding(
                RunFindingKind.PullSlow,
                $"pulling its image took {Seconds(receipt.Pulled.Seconds)}, {receipt.Pulled.Seconds / held:P0} of the time on its hosts",
                "An admin can pull the image on the hosts beforehand (page Images)."
            );
        }
    }

    private static string Seconds(double seconds) => DurationText.Short(TimeSpan.FromSeconds(seconds));

    private static string Names(IEnumerable<string> names)
    {
        const int told = 4;
        var all = names.ToArray();
        return string.Join(", ", all.Take(told)) + (all.Length > told ? $" and {all.Length - told} more" : "");
    }

    /// <summary>`3.1 of 80 GiB`, or with both units where they differ.</summary>
    private static string Of(double part, double whole)
    {
        var (a, b) = (Quantity.Say(part).Split(' '), Quantity.Say(whole).Split(' '));
        return a[1] == b[1] ? $"{a[0]} of {b[0]} {b[1]}" : $"{a[0]} {a[1]} of {b[0]} {b[1]}";
    }
}
