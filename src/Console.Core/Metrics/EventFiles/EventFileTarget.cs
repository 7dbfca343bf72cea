namespace DeepLab.Core.Metrics;

/// <summary>Whose event files are read.</summary>
/// <param name="Attempt">number of the attempt, from 1</param>
public sealed record EventFileTarget(string ContainerId, long WorkloadId, long AttemptId, string Replica, int Attempt)
{
    /// <summary>The folder inside the container.</summary>
    public string Folder { get; init; } = ProgramFolders.Logs;

    /// <param name="folder">of the file, below the log folder; empty at its top</param>
    public SeriesKey KeyOf(string tag, string folder) =>
        new(
            SeriesOwner.Job,
            WorkloadId.ToString(System.Globalization.CultureInfo.InvariantCulture),
            tag,
            folder.Length == 0 ? $"{Replica}/{Attempt}" : $"{Replica}/{Attempt}/{folder}"
        );
}
