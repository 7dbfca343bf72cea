namespace DeepLab.Core.Workloads;

/// <summary>What is known of a container's end, as plain values.</summary>
/// <param name="Error">the engine's own words, empty where it had none</param>
/// <param name="Started">it ran at all</param>
/// <param name="StoppedByUs">we had asked the engine to stop it before it ended</param>
/// <param name="DuringOutage">its engine was stopping or down when it ended</param>
public sealed record ExitFacts(
    int ExitCode,
    bool OomKilled,
    string Error,
    bool Started,
    bool StoppedByUs,
    bool DuringOutage,
    long MemoryLimitBytes
)
{
    /// <summary>What is wrong with a GPU that it held, as a sentence; null where nothing is, or it held none.</summary>
    public string? GpuTrouble { get; init; }
}

/// <summary>Says in words why a replica ended. Pure.</summary>
public static class ExitDiagnosis
{
    private const int SignalBase = 128;

    private static readonly Dictionary<int, string> s_signals = new()
    {
        [1] = "SIGHUP",
        [2] = "SIGINT",
        [3] = "SIGQUIT",
        [4] = "SIGILL (illegal instruction)",
        [6] = "SIGABRT (the program gave up by itself)",
        [7] = "SIGBUS (often a full /dev/shm: ask for more shm)",
        [8] = "SIGFPE (arithmetic error)",
        [9] = "SIGKILL",
        [11] = "SIGSEGV (invalid memory access)",
        [13] = "SIGPIPE",
        [15] = "SIGTERM",
    };

    public static (Reason Reason, string Message) Explain(ExitFacts f)
    {
        if (!f.Started)
        {
            return NeverStarted(f);
        }
        if (f.DuringOutage && !f.StoppedByUs)
        {
            return (
                Reason.EngineStopped,
                $"the Docker Engine of its host stopped while it ran (exit code {f.ExitCode}); that is an interruption, not an end of its own"
            );
        }
        if (f.StoppedByUs)
        {
            return (Reason.StoppedByUser, $"stopped on request (exit code {f.ExitCode})");
        }
        if (f.OomKilled && f.ExitCode != 0)
        {
            return (
                Reason.OutOfMemory,
                $"the kernel ended it for want of memory: it reached its limit of {Mib(f.MemoryLimitBytes)} (exit code {f.ExitCode}); ask for more memory"
            );
        }
        if (f.GpuTrouble is { } trouble && f.ExitCode != 0)
        {
            return (
                Reason.GpuFailed,
                $"ended with exit code {f.ExitCode} and one of its GPUs had failed: {trouble}; that is an interruption, not an end of its own"
            );
        }
        return f.ExitCode switch
        {
            0 when f.OomKilled => (
                Reason.Completed,
                $"ended with exit code 0, but the kernel killed one of its processes at the memory limit of {Mib(f.MemoryLimitBytes)}"
            ),
            0 => (Reason.Completed, "ended with exit code 0"),
            126 => (Reason.CommandNotExecutable, "the command could not be executed (exit code 126)"),
            127 => (Reason.CommandNotFound, "a command was not found (exit code 127)"),
            > SignalBase and <= SignalBase + 64 => (
                Reason.KilledBySignal,
                $"ended by signal {f.ExitCode - SignalBase}"
                    + (s_signals.TryGetValue(f.ExitCode - SignalBase, out var name) ? $", {name}" : "")
                    + $" (exit code {f.ExitCode})"
            ),
            _ => (Reason.ExitedNonZero, $"the program ended with exit code {f.ExitCode}"),
        };
    }

    private static (Reason, string) NeverStarted(ExitFacts f) =>
        f.ExitCode switch
        {
            127 => (Reason.CommandNotFound, Words("the command was not found in the image", f.Error)),
            126 => (Reason.CommandNotExecutable, Words("the command could not be executed", f.Error)),
            _ => (Reason.StartFailed, Words("the container did not start", f.Error)),
        };

    private static string Words(string what, string error) => error.Length == 0 ? what : $"{what}: {error}";

    private static string Mib(long bytes) => $"{bytes / (double)(1 << 20):0.#} MiB";
}
