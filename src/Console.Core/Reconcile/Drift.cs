using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>Something that is so of an attempt, to be told once.</summary>
/// <param name="Kind">of the event; the newest of a kind is what stands</param>
/// <param name="IsNews">false where it is as it should be: told only after it was told that it is not</param>
public sealed record AttemptNote(string Kind, string Message, bool IsNews = true);

/// <summary>
/// What somebody did to a running container of ours by the engine's own means. Pure. It is told and never undone: whoever can
/// do that is an operator of the machine.
/// </summary>
public static class Drift
{
    private static readonly AttemptNote s_name = new("rename", "its container has its own name again", IsNews: false);
    private static readonly AttemptNote s_limits = new(
        "update",
        "its container has its own limits again",
        IsNews: false
    );
    private static readonly AttemptNote s_goesOn = new(
        "pause",
        "its container was unpaused and goes on",
        IsNews: false
    );

    /// <summary>Nobody did anything.</summary>
    public static IReadOnlyList<AttemptNote> None { get; } = [s_name, s_limits, s_goesOn];

    public static IReadOnlyList<AttemptNote> Of(ContainerReport seen, Attempt attempt, ResourcesSpec asked) =>
        [
            seen.Name == attempt.ContainerName
                ? s_name
                : new("rename", $"somebody renamed its container to {seen.Name}; it is known by its id"),
            Limits(seen, asked),
            seen.State == ContainerState.Paused
                ? new("pause", "somebody paused its container; it keeps its place and goes on when it is unpaused")
                : s_goesOn,
        ];

    private static AttemptNote Limits(ContainerReport seen, ResourcesSpec asked)
    {
        List<string> changed = [];
        if (seen.Memory is { } memory && memory != asked.Memory)
        {
            changed.Add($"memory is {Mib(memory)} instead of {Mib(asked.Memory)}");
        }
        if (seen.Cpus is { } cpus && Math.Abs(cpus - asked.Cpus) > 1e-6)
        {
            changed.Add(
                string.Create(CultureInfo.InvariantCulture, $"CPUs are {cpus:0.###} instead of {asked.Cpus:0.###}")
            );
        }
        if (changed.Count == 0)
        {
            return s_limits;
        }
        // The engine writes all of the container's device rules anew, and knows none of those that the GPU runtime added
        var gpus = asked.Gpus > 0 ? "; an update can take the GPUs from a running container" : "";
        return new("update", $"somebody changed the limits of its container: {string.Join(", ", changed)}{gpus}");
    }

    private static string Mib(long bytes) =>
        bytes == 0 ? "unlimited" : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1 << 20):0.#} MiB");
}
