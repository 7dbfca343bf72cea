using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>What event files on volumes are to containers: of the job that writes them, and of a TensorBoard that reads them. Pure.</summary>
public static class EventFileLaunch
{
    public static IReadOnlyList<PlannedEventFiles> Mounts(string installId, JobSpec spec, long workloadId) =>
        spec.Environment is { IsBoard: true } board
            ? [.. board.Jobs.Select(job => Mount(installId, job, BoardFolderOf(job), readOnly: true))]
        : spec.KeepsEventFiles ? [Mount(installId, workloadId, ProgramFolders.Logs, readOnly: false)]
        : [];

    /// <summary>Folders that become the program's own: a volume, and what is made in it, is born root's.</summary>
    public static IReadOnlyList<string> Owned(JobSpec spec, Attempt attempt) =>
        spec.KeepsEventFiles ? ProgramFolders.OwnedOf(attempt.ReplicaName, attempt.Number) : [];

    /// <summary>DEEPLAB_LOG_DIR</summary>
    public static string FolderOf(JobSpec spec, Attempt attempt) =>
        ProgramFolders.LogsOf(spec.KeepsEventFiles, attempt.ReplicaName, attempt.Number);

    /// <summary>What TensorBoard calls the job's runs by: `/tensorboard/job-12`.</summary>
    private static string BoardFolderOf(long job) =>
        string.Create(CultureInfo.InvariantCulture, $"{EnvironmentSpec.BoardFolder}/job-{job}");

    private static PlannedEventFiles Mount(string installId, long job, string target, bool readOnly) =>
        new(VolumeNames.EventFiles(installId, job), job, target, readOnly);
}
