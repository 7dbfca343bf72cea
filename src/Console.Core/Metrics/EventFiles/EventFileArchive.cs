using System.Buffers;
using System.Formats.Tar;

namespace DeepLab.Core.Metrics;

/// <summary>Feeds event files out of a tar of the log folder, as the archive API sends it.</summary>
internal static class EventFileArchive
{
    /// <summary>Bytes of a log folder that are gone through at an end; a program may have put anything there.</summary>
    public const long MaxBytes = 4L << 30;

    /// <summary>Points are stored in runs of about this many, so that memory stays small.</summary>
    private const int PointsAtOnce = 50_000;

    public static async Task ReadAsync(Stream archive, EventFileState state, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(128 << 10);
        try
        {
            await using var tar = new TarReader(archive, leaveOpen: true);
            long total = 0;
            while (await tar.GetNextEntryAsync(copyData: false, ct) is { } entry)
            {
                total += entry.Length;
                if (total > MaxBytes)
                {
                    state.Tell(
                        $"The log folder holds over {MaxBytes >> 30} GiB: event files beyond that are not read."
                    );
                    return;
                }
                if (
                    entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile
                    && entry.DataStream is { } data
                    && EventFileRound.NameOf(entry.Name) is { } name
                )
                {
                    await ReadFileAsync(name, data, buffer, state, ct);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task ReadFileAsync(
        string name,
        Stream data,
        byte[] buffer,
        EventFileState state,
        CancellationToken ct
    )
    {
        var wanted = state.Wanted().GetValueOrDefault(name);
        long at = 0;
        int read;
        while (wanted >= 0 && (read = await data.ReadAsync(buffer, ct)) > 0)
        {
            // What is stored already is passed over
            var known = (int)Math.Clamp(wanted - at, 0, read);
            if (known < read)
            {
                state.Feed(name, at + known, buffer.AsSpan(known, read - known));
            }
            at += read;
            if (state.PendingPoints >= PointsAtOnce)
            {
                await state.SaveAsync(ct);
            }
        }
    }
}
