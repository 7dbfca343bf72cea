namespace DeepLab.Core.Operations.Data;

/// <summary>What is answered of volumes and datasets alike.</summary>
internal static class Refusals
{
    /// <param name="what">at the beginning of the sentence</param>
    /// <param name="uses">workloads that have not ended and mount it</param>
    public static Outcome<string> Mounted(string what, int uses) =>
        new Outcome<string>.Conflict(
            $"{what} is mounted by {uses} {(uses == 1 ? "workload that waits or runs" : "workloads that wait or run")}; stop {(uses == 1 ? "it" : "them")} first."
        );
}
