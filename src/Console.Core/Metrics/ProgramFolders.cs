namespace DeepLab.Core.Metrics;

/// <summary>Folders a program finds by its environment. Below /tmp, which any image lets any user write to.</summary>
public static class ProgramFolders
{
    private const string Root = "/tmp/deeplab";

    /// <summary>DEEPLAB_LOG_DIR: event files. Of a job that keeps them, what holds the folders of its replicas.</summary>
    public const string Logs = $"{Root}/logs";

    /// <summary>DEEPLAB_CHECKPOINT_DIR of a program that asked for none: gone with its container</summary>
    public const string Checkpoints = $"{Root}/checkpoints";

    /// <summary>Where one replica's program writes event files: containers that share a volume would read each other's for their own.</summary>
    /// <param name="kept">on the job's own volume, which outlives the container</param>
    public static string LogsOf(bool kept, string replica, int attempt) =>
        kept ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Logs}/{replica}/{attempt}") : Logs;

    /// <summary>Folders on the way there, outermost first.</summary>
    public static IReadOnlyList<string> OwnedOf(string replica, int attempt) =>
        [Root, Logs, $"{Logs}/{replica}", LogsOf(true, replica, attempt)];
}
