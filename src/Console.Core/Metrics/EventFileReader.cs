namespace DeepLab.Core.Metrics;

/// <summary>One number of a curve as an event file holds it.</summary>
/// <param name="WallTime">seconds since 1970, as the program gave it</param>
public readonly record struct EventScalar(string Tag, long Step, double WallTime, double Value);

/// <summary>Reads one event file (TensorBoard's format) while it grows.</summary>
/// <param name="offset">where a record begins; 0 for a new file</param>
public sealed class EventFileReader(long offset = 0)
{
    private readonly EventFileRecords _records = new(offset);
    private readonly EventFileSummaries _summaries = new();

    /// <inheritdoc cref="EventFileRecords.Offset"/>
    public long Offset => _records.Offset;

    /// <inheritdoc cref="EventFileRecords.Position"/>
    public long Position => _records.Position;

    /// <inheritdoc cref="EventFileRecords.Damaged"/>
    public bool Damaged => _records.Damaged;

    /// <summary>Values that are nothing that is asked for, and records that could not be read.</summary>
    public long Skipped => _summaries.Skipped + _records.PassedOver;

    /// <summary>Name of the first value that was passed over since its record is above <see cref="EventFileRecords.MostKept"/>; null where none was.</summary>
    public string? TooLarge { get; private set; }

    /// <summary>Takes the next bytes and adds what every record holds that is whole with them.</summary>
    /// <param name="media">histograms, images, texts, hyper-parameters; null where they are not wanted</param>
    public void Append(ReadOnlySpan<byte> bytes, List<EventScalar> scalars, List<EventMedia>? media = null) =>
        _records.Append(
            bytes,
            record => _summaries.Read(record, scalars, media),
            head => TooLarge ??= _summaries.TagOfCut(head)
        );
}
