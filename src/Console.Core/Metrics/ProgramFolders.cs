namespace DeepLab.Core.Metrics;

/// <summary>Folders a program finds by its environment. Below /tmp, which any image lets any user write to.</summary>
public static class ProgramFolders
{
    /// <summary>DEEPLAB_LOG_DIR: event files</summary>
    public const string Logs = "/tmp/deeplab/logs";

    /// <summary>DEEPLAB_CHECKPOINT_DIR of a program that asked for none: gone with its container</summary>
    public const string Checkpoints = "/tmp/deeplab/checkpoints";
}
