using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Streams;

/// <param name="Path">below the checkpoint folder</param>
/// <param name="Files">how many it has</param>
public sealed record CheckpointFiles(string Path, CheckpointLayout Layout, int Files)
{
    /// <summary>Paths that the engine can hand out: files, or a folder with all that is in it.</summary>
    public IEnumerable<string> Parts =>
        Layout != CheckpointLayout.TensorFlow
            ? [Path]
            :
            [
                Path + ".index",
                .. Enumerable
                    .Range(0, Math.Max(0, Files - 1))
                    .Select(i =>
                        string.Create(CultureInfo.InvariantCulture, $"{Path}.data-{i:00000}-of-{Files - 1:00000}")
                    ),
            ];
}

/// <summary>Where checkpoints of a job lie, as one host sees them.</summary>
/// <param name="Volume">name of the lab's volume; null = the job's own</param>
/// <param name="VolumePath">of a volume that is a path on its hosts</param>
/// <param name="Folder">in a container</param>
public sealed record CheckpointPlace(
    string EngineAddress,
    string? SealedCredentials,
    string InstallId,
    long WorkloadId,
    string? Volume,
    string? VolumePath,
    string Folder,
    IReadOnlyList<CheckpointFiles> Checkpoints
)
{
    /// <summary>A container that sees the folder and is no attempt's.</summary>
    /// <param name="readOnly">of a volume of the lab</param>
    public ContainerPlan Plan(string image, string purpose, bool readOnly) =>
        FolderVisits.Make(
            InstallId,
            WorkloadId,
            string.Create(CultureInfo.InvariantCulture, $"dl-{InstallId[..6]}-{WorkloadId}-checkpoints-{purpose}"),
            image,
            Volume is null ? VolumeNames.Checkpoints(InstallId, WorkloadId) : null,
            Volume is null
                ? null
                : new PlannedMount(
                    Volume,
                    VolumePath ?? VolumeNames.Of(InstallId, Volume),
                    VolumePath is not null,
                    CheckpointFolders.Mount,
                    readOnly
                ),
            CheckpointFolders.Mount
        );
}

/// <summary>Hands out checkpoints as they lie there, as one tar, without a copy of them anywhere.</summary>
public sealed class CheckpointDownloads(IEngineFactory engines, ConsoleOptions options)
{
    private const int Block = 512;

    /// <summary>Downloads at a time, of this console: each holds a connection and a container on its host.</summary>
    public const int MostAtOnce = 4;
    private int _open;

    /// <summary>
    /// Calls <paramref name="begin"/> once the first part was found, and writes the tar to what it answers. False where it is
    /// not there any more.
    /// </summary>
    /// <exception cref="InvalidOperationException">There are <see cref="MostAtOnce"/> already.</exception>
    public async Task<bool> WriteAsync(CheckpointPlace place, Func<Stream> begin, CancellationToken ct)
    {
        if (Interlocked.Increment(ref _open) > MostAtOnce)
        {
            Interlocked.Decrement(ref _open);
            throw new InvalidOperationException($"{MostAtOnce} downloads are on their way already.");
        }
        try
        {
            var engine = engines.Get(place.EngineAddress, place.SealedCredentials);
            // Never started: the engine reads a container's volumes all the same
            return await FolderVisits.RunAsync(
                engine,
                place.Plan(options.ProbeImage, $"get-{Guid.NewGuid():N}", readOnly: true),
                start: false,
                container => CopyAsync(engine, container, place, begin, ct),
                ct
            );
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private static async Task<bool> CopyAsync(
        IContainerEngine engine,
        string container,
        CheckpointPlace place,
        Func<Stream> begin,
        CancellationToken ct
    )
    {
        Stream? target = null;
        foreach (var part in place.Checkpoints.SelectMany(c => c.Parts))
        {
            await using var tar = await engine.GetArchiveAsync(container, $"{place.Folder}/{part}", ct);
            if (tar is null)
            {
                if (target is null)
                {
                    return false;
                }
                continue;
            }
            target ??= begin();
            await CopyEntriesAsync(tar, target, ct);
        }
        if (target is null)
        {
            return false;
        }
        await target.WriteAsync(new byte[2 * Block], ct);
        return true;
    }

    /// <summary>All but the two empty blocks at its end, so that another tar may follow.</summary>
    internal static async Task CopyEntriesAsync(Stream tar, Stream target, CancellationToken ct)
    {
        var buffer = new byte[128 * Block];
        while (true)
        {
            var header = buffer.AsMemory(0, Block);
            await tar.ReadExactlyAsync(header, ct);
            if (!header.Span.ContainsAnyExcept((byte)0))
            {
                return;
            }
            var left = (SizeOf(header.Span[124..136]) + Block - 1) / Block * Block;
            await target.WriteAsync(header, ct);
            while (left > 0)
            {
                var piece = buffer.AsMemory(0, (int)Math.Min(left, buffer.Length));
                await tar.ReadExactlyAsync(piece, ct);
                await target.WriteAsync(piece, ct);
                left -= piece.Length;
            }
        }
    }

    /// <summary>Octal text, or a big-endian number where the first bit is set, as for files of 8 GiB and more.</summary>
    private static long SizeOf(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            return BinaryPrimitives.ReadInt64BigEndian(field[4..]) & long.MaxValue;
        }
        var size = 0L;
        foreach (var digit in Encoding.ASCII.GetString(field).Trim('\0', ' '))
        {
            if (digit is < '0' or > '7')
            {
                throw new InvalidDataException("The engine's tar has an entry without a size.");
            }
            size = (size * 8) + (digit - '0');
        }
        return size;
    }
}
