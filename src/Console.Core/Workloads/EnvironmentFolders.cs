namespace DeepLab.Core.Workloads;

/// <summary>Where an environment's things stand in its container.</summary>
public static class EnvironmentFolders
{
    /// <summary>Mount of the home volume, which outlives the containers.</summary>
    public const string Home = "/home/lab";

    /// <summary>The console's own files, closed to others. On the home volume: no image that is made of the container holds them.</summary>
    public const string Own = Home + "/.deeplab";
}
