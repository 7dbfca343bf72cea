using System.Globalization;

namespace DeepLab.Core.Engines;

/// <summary>Names of the engine's own volumes.</summary>
public static class VolumeNames
{
    /// <summary>One a job on each host: all its replicas and rounds there share it.</summary>
    public static string Checkpoints(string installId, long workloadId) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-{workloadId}-checkpoints");

    /// <summary>Event files, one a job on each host: all its replicas and rounds there share it.</summary>
    public static string EventFiles(string installId, long workloadId) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-{workloadId}-events");

    /// <summary>The engine's own volume behind a volume of the lab.</summary>
    public static string Of(string installId, string volume) => $"dl-{installId[..6]}-vol-{volume}";
}
