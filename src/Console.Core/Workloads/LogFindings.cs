using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

public enum FindingKind
{
    GpuMemoryFull,
    CollectiveTimeout,
    MissingModule,
    DiskFull,
    SharedMemoryFull,
    GpuAccessLost,
    DriverTooOld,
    OutOfFileDescriptors,
}

/// <summary>What a line of a log tells of why its program failed.</summary>
/// <param name="Message">what it means, as a sentence</param>
/// <param name="Advice">what to do about it, as a sentence</param>
/// <param name="Line">the line of the log that says so, from 0</param>
public sealed record LogFinding(FindingKind Kind, string Message, string Advice, long Line);

/// <summary>
/// Knows the words in which frameworks and libraries tell of the failures that a lab sees every day. Pure; every pattern is
/// matched in time linear in the line.
/// </summary>
public static class LogFindings
{
    /// <summary>What follows in a longer line is not looked at; characters.</summary>
    private const int MostOfLine = 4096;

    private const RegexOptions Linear = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    private sealed record Pattern(FindingKind Kind, Regex Words, Func<Match, string> Message, string Advice);

    private static readonly Pattern[] s_patterns =
    [
        new(
            FindingKind.GpuMemoryFull,
            Compile(@"CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|OutOfMemoryError: CUDA|OOM when allocating tensor"),
            _ => "the memory of a GPU was full",
            "Take a smaller batch or a lower precision, or ask for a GPU with more memory (gpuMemory)."
        ),
        new(
            FindingKind.CollectiveTimeout,
            Compile(
                @"collective operation timeout|NCCL (?:error|timeout)|ncclRemoteError|ncclSystemError|ProcessGroup(?:NCCL|Gloo).*time[d ]*out|gloo.*(?:Connection closed by peer|Timed out waiting)"
            ),
            _ => "the replicas lost each other in a collective operation",
            "Look at the replica that ended first; if none did, at the network between the hosts."
        ),
        new(
            FindingKind.MissingModule,
            Compile(@"(?:ModuleNotFoundError|ImportError): No module named '?(?<name>[A-Za-z0-9_.]+)"),
            m => $"the Python module {m.Groups["name"].Value} is not in the image",
            "Choose an image that has it, or install it at the start of the command."
        ),
        new(
            FindingKind.SharedMemoryFull,
            Compile(
                @"DataLoader worker \(pid[^)]*\) is killed by signal: Bus error|unable to (?:open|allocate|write to|mmap)[^.]*shared memory|insufficient shared memory"
            ),
            _ => "shared memory (/dev/shm) was full",
            "Ask for more shm in the role's resources, or use fewer loader workers."
        ),
        new(
            FindingKind.DiskFull,
            Compile(@"No space left on device|Disk quota exceeded"),
            _ => "a disk was full",
            "Write less into the container, remove old checkpoints, or ask an admin to make room on the host."
        ),
        new(
            FindingKind.GpuAccessLost,
            Compile(
                @"Failed to initialize NVML: Unknown Error|GPU is lost|fallen off the bus|CUDA error: (?:unknown error|uncorrectable ECC error)|CUDA_ERROR_(?:ECC_UNCORRECTABLE|UNKNOWN)"
            ),
            _ => "the program lost its GPU",
            "This is the machine's fault, not the program's: an admin should look at the host's driver and at its GPUs."
        ),
        new(
            FindingKind.DriverTooOld,
            Compile(@"driver version is insufficient for CUDA runtime|NVIDIA driver on your system is too old"),
            _ => "the host's GPU driver is older than what the image's CUDA needs",
            "Choose an image with an older CUDA, or ask an admin for a newer driver."
        ),
        new(
            FindingKind.OutOfFileDescriptors,
            Compile(@"Too many open files"),
            _ => "the program had too many files open",
            "Close files that are done with, or use fewer loader workers."
        ),
    ];

    /// <summary>One finding of a kind, from the first line that tells it.</summary>
    /// <param name="lines">numbers and texts, in order</param>
    public static IReadOnlyList<LogFinding> In(IEnumerable<(long Number, string Text)> lines)
    {
        var found = new Dictionary<FindingKind, LogFinding>();
        foreach (var (number, text) in lines)
        {
            var looked = text.Length > MostOfLine ? text[..MostOfLine] : text;
            foreach (var pattern in s_patterns)
            {
                if (!found.ContainsKey(pattern.Kind) && pattern.Words.Match(looked) is { Success: true } match)
                {
                    found[pattern.Kind] = new LogFinding(pattern.Kind, pattern.Message(match), pattern.Advice, number);
                }
            }
        }
        return [.. found.Values.OrderBy(f => f.Line)];
    }

    private static Regex Compile(string pattern) => new(pattern, Linear);
}
