namespace DeepLab.Core.Metrics;

/// <summary>Folders a program finds by its environment. Below /tmp, which any image lets any user write to.</summary>
public static class ProgramFolders
{
    /// <summary>DEEPLAB_LOG_DIR: event files</summary>
    public const string Logs = "/tmp/deeplab/logs";

    /// <summary>DEEPLAB_CHECKPOINT_DIR</summary>
    public const string Checkpoints = "/tmp/deeplab/checkpoints";

    /// <summary>DEEPLAB_CHECKPOINT_DIR of a job that asks for checkpoints: a volume of its own, which outlives its containers.</summary>
    public const string KeptCheckpoints = "/checkpoints";
}
