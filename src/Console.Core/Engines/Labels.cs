using System.Globalization;

namespace DeepLab.Core.Engines;

public static class Labels
{
    public const string Install = "deeplab.install";
    public const string Workload = "deeplab.workload";
    public const string Attempt = "deeplab.attempt";
    public const string Replica = "deeplab.replica";
    public const string SpecHash = "deeplab.spec";

    /// <summary>When its attempt was leased: a database that was put back to an older copy gives the same ids to others.</summary>
    public const string Leased = "deeplab.leased";

    /// <summary>Name of the lab's volume that an engine's own volume is.</summary>
    public const string Volume = "deeplab.volume";

    /// <summary>Id of the environment whose home an engine's volume is.</summary>
    public const string Home = "deeplab.home";

    /// <summary>Installation, on the network of a host that all its single containers are on.</summary>
    public const string Lab = "deeplab.lab";

    /// <summary>`gpu`, `host`, `wall` or `pair` on the console's own containers, which carry no attempt.</summary>
    public const string Probe = "deeplab.probe";

    /// <summary>Id of the attempt that a container says it is of; null where it names none.</summary>
    public static long? AttemptOf(IReadOnlyDictionary<string, string> labels) =>
        labels.TryGetValue(Attempt, out var text) && long.TryParse(text, CultureInfo.InvariantCulture, out var id)
            ? id
            : null;
}

/// <summary>
/// Where an image of ours comes from. Names of their own: a container has its image's labels too, and one that somebody starts
/// by hand must not look like an attempt of ours.
/// </summary>
public static class ImageLabels
{
    /// <summary>Id of the installation that made it.</summary>
    public const string Install = "deeplab.image";
    public const string Workload = "deeplab.image.workload";
    public const string Attempt = "deeplab.image.attempt";
    public const string By = "deeplab.image.by";

    /// <summary>ISO 8601, UTC.</summary>
    public const string At = "deeplab.image.at";
}
