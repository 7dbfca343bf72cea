using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>What a job's checkpoints are to its containers. Pure.</summary>
public static class CheckpointLaunch
{
    public const string ResumeFrom = "DEEPLAB_RESUME_FROM";
    public const string ResumeStep = "DEEPLAB_RESUME_STEP";

    public static void SetEnv(Dictionary<string, string> env, JobSpec spec, long workloadId, Attempt attempt)
    {
        env["DEEPLAB_CHECKPOINT_DIR"] = spec.Checkpoint is null
            ? ProgramFolders.Checkpoints
            : FolderOf(spec, workloadId, attempt.ReplicaName);
        if (spec.Checkpoint?.EverySteps is { } every)
        {
            env["DEEPLAB_CHECKPOINT_EVERY"] = every.ToString(CultureInfo.InvariantCulture);
        }
        if (spec.Checkpoint is { } kept && attempt.ResumeFrom is { } from)
        {
            env[ResumeFrom] = $"{CheckpointFolders.Of(kept, workloadId)}/{from}";
            if (attempt.ResumeStep is { } step)
            {
                env[ResumeStep] = step.ToString(CultureInfo.InvariantCulture);
            }
        }
    }

    /// <summary>Replicas of one job share what is kept of it; tasks of an array would take each other's for their own.</summary>
    /// <param name="spec">asks for checkpoints</param>
    public static string FolderOf(JobSpec spec, long workloadId, string replica) =>
        $"{CheckpointFolders.Of(spec.Checkpoint!, workloadId)}/{OwnPart(spec, replica)}".TrimEnd('/');

    /// <summary>Where in the job's folder those of a replica begin: `worker-3/` of an array, else empty.</summary>
    public static string OwnPart(JobSpec spec, string replica) => spec.Topology == Topology.Array ? $"{replica}/" : "";

    /// <summary>The job's own volume on each of its hosts; null where it keeps none, or keeps them on a volume of the lab.</summary>
    public static string? OwnVolume(string installId, JobSpec spec, long workloadId) =>
        spec.Checkpoint is { Volume: null } ? LaunchPlan.CheckpointsOf(installId, workloadId) : null;

    /// <summary>Folders that become the program's own: a volume, and what is made in it, is born root's.</summary>
    public static IReadOnlyList<string> Owned(AttemptRead read, FoundMounts mounts) =>
        read.Spec.Checkpoint is { } checkpoint
            ? [.. mounts.Owned, CheckpointFolders.Of(checkpoint, read.Workload.Id)]
            : mounts.Owned;

    /// <summary>A container that sees the folder and is no attempt's.</summary>
    /// <param name="mounts">of the spec</param>
    public static ContainerPlan Visit(
        string installId,
        long workloadId,
        JobSpec spec,
        FoundMounts mounts,
        string image,
        string purpose
    ) =>
        FolderVisits.Make(
            installId,
            workloadId,
            string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-{workloadId}-checkpoints-{purpose}"),
            image,
            OwnVolume(installId, spec, workloadId),
            mounts.Mounts.FirstOrDefault(m => m.Target == CheckpointFolders.Mount),
            CheckpointFolders.Mount
        );
}
