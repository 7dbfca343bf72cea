using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Maintenance;

/// <summary>
/// What is done with an image, by kind. Each can be done again after a crash: a pull and a copy of what is there take nothing,
/// what was made already is found by its reference, which is no other task's.
/// </summary>
public sealed class ImageWork(
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    CodeFolder code,
    ConsoleOptions options,
    TimeProvider time
)
{
    /// <summary>Answers what is to be written with the task's end.</summary>
    public async Task<Func<ConsoleDb, ImageTask, CancellationToken, Task>> DoAsync(
        ImageTask task,
        TaskProgress progress,
        CancellationToken ct
    )
    {
        var engine = await EngineAsync(task.HostId, ct);
        switch (task.Kind)
        {
            case ImageTaskKind.Pull:
                await engine.PullAsync(
                    task.Reference,
                    new PullListener(p => progress.Say($"pulls the image on {task.HostName}", p.Fraction)),
                    ct
                );
                return await FoundAsync(engine, task, ct);
            case ImageTaskKind.Copy:
                await CopyAsync(engine, task, progress, ct);
                return await FoundAsync(engine, task, ct);
            case ImageTaskKind.Snapshot:
                return await SnapshotAsync(engine, task, progress, ct);
            case ImageTaskKind.Build:
                return await BuildAsync(engine, task, progress, ct);
            case ImageTaskKind.Remove:
                return await RemoveAsync(engine, task, progress, ct);
            default:
                throw new ImageTaskException($"This console does not know how to do a {task.Kind}.");
        }
    }

    private async Task CopyAsync(IContainerEngine engine, ImageTask task, TaskProgress progress, CancellationToken ct)
    {
        if (await engine.FindImageAsync(task.Reference, ct) is not null)
        {
            return;
        }
        var source = await EngineAsync(
            task.FromHostId ?? throw new ImageTaskException("Nobody said from which host."),
            ct
        );
        var image =
            await source.FindImageAsync(task.Reference, ct)
            ?? throw new ImageTaskException("The host that it was to be copied from does not have it any more.");
        await using var tar = await source.SaveImageAsync(task.Reference, ct);
        await using var counted = new CountedStream(
            tar,
            bytes => progress.Say($"copies the image to {task.HostName}", (double)bytes / Math.Max(1, image.Bytes))
        );
        await engine.LoadImageAsync(counted, ct);
    }

    private async Task<Func<ConsoleDb, ImageTask, CancellationToken, Task>> SnapshotAsync(
        IContainerEngine engine,
        ImageTask task,
        TaskProgress progress,
        CancellationToken ct
    )
    {
        var wish = task.Wish!;
        if (await engine.FindImageAsync(task.Reference, ct) is not { } made)
        {
            await using var db = await databases.CreateDbContextAsync(ct);
            var attempt =
                await db.Attempts.AsNoTracking().SingleOrDefaultAsync(a => a.Id == wish.AttemptId, ct)
                ?? throw new ImageTaskException("The environment is gone.");
            progress.Say("keeps the environment's files; it is paused meanwhile", null);
            try
            {
                made = await engine.CommitAsync(
                    attempt.ContainerId ?? attempt.ContainerName,
                    task.Reference,
                    await LabelsAsync(db, task, ct),
                    ct
                );
            }
            catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound)
            {
                throw new ImageTaskException("The environment ended before its files could be kept.");
            }
        }
        return (db, row, token) => EnterAsync(db, row, ImageOrigin.Snapshot, made.Bytes, token);
    }

    private async Task<Func<ConsoleDb, ImageTask, CancellationToken, Task>> BuildAsync(
        IContainerEngine engine,
        ImageTask task,
        TaskProgress progress,
        CancellationToken ct
    )
    {
        progress.Say($"builds on {task.HostName}", null);
        await using var db = await databases.CreateDbContextAsync(ct);
        await using (var context = await ContextAsync(task.Wish!, ct))
        {
            await engine.BuildImageAsync(
                context,
                task.Reference,
                await LabelsAsync(db, task, ct),
                text =>
                {
                    progress.Write(text);
                    if (text.StartsWith("Step ", StringComparison.Ordinal))
                    {
                        progress.Say(text.Trim(), StepsDone(text));
                    }
                },
                ct
            );
        }
        var made =
            await engine.FindImageAsync(task.Reference, ct)
            ?? throw new ImageTaskException("The build ended without an image.");
        return (d, row, token) => EnterAsync(d, row, ImageOrigin.Build, made.Bytes, token);
    }

    /// <summary>`Step 2/5 : …`: one step is done when the second begins.</summary>
    internal static double? StepsDone(string text)
    {
        var parts = text.Split(' ', 3);
        var numbers = parts.Length > 1 ? parts[1].Split('/') : [];
        return
            numbers.Length == 2
            && int.TryParse(numbers[0], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            && int.TryParse(numbers[1], NumberStyles.None, CultureInfo.InvariantCulture, out var steps)
            && steps > 0
            ? (step - 1.0) / steps
            : null;
    }

    /// <summary>A file that goes with the stream: an archive may be larger than what is held in memory.</summary>
    private async Task<Stream> ContextAsync(ImageWish wish, CancellationToken ct)
    {
        var file = new FileStream(
            Path.Combine(options.DataFolder, $"build-{Guid.NewGuid():N}.tar"),
            FileMode.CreateNew,
            FileAccess.ReadWrite,
            FileShare.None,
            1 << 16,
            FileOptions.DeleteOnClose | FileOptions.Asynchronous
        );
        await using (var writer = new TarWriter(file, TarEntryFormat.Pax, leaveOpen: true))
        {
            if (wish.Code is { } digest)
            {
                // It was checked when it was uploaded: what it holds, and how large it gets
                await using var packed = File.OpenRead(code.PathOf(digest));
                await using var unpacked = new GZipStream(packed, CompressionMode.Decompress);
                await using var reader = new TarReader(unpacked);
                while (await reader.GetNextEntryAsync(cancellationToken: ct) is { } entry)
                {
                    if (entry.Name.TrimStart('.', '/') != "Dockerfile")
                    {
                        await writer.WriteEntryAsync(entry, ct);
                    }
                }
            }
            await writer.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.RegularFile, "Dockerfile")
                {
                    DataStream = new MemoryStream(Encoding.UTF8.GetBytes(wish.Dockerfile!)),
                },
                ct
            );
        }
        file.Position = 0;
        return file;
    }

    /// <summary>What something names by now stays, and so does what is not ours.</summary>
    private async Task<Func<ConsoleDb, ImageTask, CancellationToken, Task>> RemoveAsync(
        IContainerEngine engine,
        ImageTask task,
        TaskProgress progress,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        if (await db.Images.AnyAsync(i => i.Reference == task.Reference, ct))
        {
            throw new ImageTaskException("An entry of the catalogue names it again; it stays.");
        }
        var mayGo =
            task.ActorName == ImagePruning.ActorName && task.ActorId == Guid.Empty
                ? await MayPruneAsync(db, task, ct)
                : (await engine.OwnImagesAsync(await InstallIdAsync(db, ct), ct)).Any(i =>
                    i.References.Contains(task.Reference)
                );
        if (mayGo)
        {
            progress.Say($"takes the image off {task.HostName}", null);
            try
            {
                await engine.RemoveImageAsync(task.Reference, ct);
            }
            catch (EngineException e) when (e.Kind == EngineErrorKind.Conflict)
            {
                throw new ImageTaskException($"A container of {task.HostName} still has it; it stays: {e.Message}");
            }
        }
        else if (await engine.FindImageAsync(task.Reference, ct) is not null)
        {
            throw new ImageTaskException("It was not made by this console; it stays.");
        }
        return (d, row, token) =>
            d.Database.ExecuteSqlAsync(
                $"""
                with gone as (delete from pulled_images where host_id = {row.HostId} and reference = {row.Reference})
                update hosts set images = array_remove(images, {row.Reference}) where id = {row.HostId}
                """,
                token
            );
    }

    /// <summary>The policy that asked for it, and what uses images, may have changed since.</summary>
    private async Task<bool> MayPruneAsync(ConsoleDb db, ImageTask task, CancellationToken ct)
    {
        var policy = await db.ImagePolicies.AsNoTracking().SingleOrDefaultAsync(ct);
        if (policy?.Cutoff(time.GetUtcNow()) is not { } usedBefore)
        {
            throw new ImageTaskException("Images do not leave hosts by themselves any more; it stays.");
        }
        var unused = await UnusedImages.FindAsync(
            db,
            policy.Sources,
            usedBefore,
            options.ProbeImage,
            ct,
            except: task.Id
        );
        return unused.Any(u => u.Reference == task.Reference && u.Host == task.HostName)
            ? true
            : throw new ImageTaskException("Something uses it again; it stays.");
    }

    /// <summary>The host has it; its entry learns its size, and what a pull found.</summary>
    private async Task<Func<ConsoleDb, ImageTask, CancellationToken, Task>> FoundAsync(
        IContainerEngine engine,
        ImageTask task,
        CancellationToken ct
    )
    {
        var found =
            await engine.FindImageAsync(task.Reference, ct)
            ?? throw new ImageTaskException($"{task.HostName} does not show it.");
        return async (db, row, token) =>
        {
            await NoteHostAsync(db, row, token);
            await PulledImage.NoteAsync(db, row.HostId, row.Reference, time.GetUtcNow(), token);
            // The catalogue may spell it otherwise than engines do
            foreach (var entry in await db.Images.Where(i => i.Origin == ImageOrigin.Listed).ToListAsync(token))
            {
                if (ImageReference.TryParse(entry.Reference, out var parsed, out _) && parsed.Familiar == row.Reference)
                {
                    entry.Bytes = found.Bytes;
                    entry.Pinned = row.Kind == ImageTaskKind.Pull ? found.Pinned : entry.Pinned;
                }
            }
        };
    }

    private async Task EnterAsync(ConsoleDb db, ImageTask task, ImageOrigin origin, long bytes, CancellationToken ct)
    {
        await NoteHostAsync(db, task, ct);
        var (now, wish) = (time.GetUtcNow(), task.Wish!);
        db.Images.Add(
            new CatalogueImage
            {
                Id = Guid.CreateVersion7(now),
                Name = wish.Name,
                Reference = task.Reference,
                Framework = wish.Framework,
                FrameworkVersion = wish.Version,
                Python = wish.Python,
                Cuda = wish.Cuda,
                Features = [.. wish.Features],
                Description = wish.Description,
                Origin = origin,
                OwnerId = task.ActorId,
                OwnerName = task.ActorName,
                Shared = false,
                Bytes = bytes,
                WorkloadId = wish.WorkloadId,
                CreatedAt = now,
            }
        );
    }

    /// <summary>Placement need not wait for the host's next look at its images.</summary>
    private static Task<int> NoteHostAsync(ConsoleDb db, ImageTask task, CancellationToken ct) =>
        db.Database.ExecuteSqlAsync(
            $"""
            update hosts set images = (select array_agg(x order by x collate "C") from unnest(array_append(images, {task.Reference})) x)
            where id = {task.HostId} and not ({task.Reference} = any(images))
            """,
            ct
        );

    private async Task<Dictionary<string, string>> LabelsAsync(ConsoleDb db, ImageTask task, CancellationToken ct)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [ImageLabels.Install] = await InstallIdAsync(db, ct),
            [ImageLabels.By] = task.ActorName,
            [ImageLabels.At] = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        };
        if (task.Wish is { WorkloadId: { } workload, AttemptId: { } attempt })
        {
            labels[ImageLabels.Workload] = workload.ToString(CultureInfo.InvariantCulture);
            labels[ImageLabels.Attempt] = attempt.ToString(CultureInfo.InvariantCulture);
        }
        return labels;
    }

    private static Task<string> InstallIdAsync(ConsoleDb db, CancellationToken ct) =>
        db.Installations.Select(i => i.InstallId).SingleAsync(ct);

    private async Task<IContainerEngine> EngineAsync(Guid hostId, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var host =
            await db.Hosts.AsNoTracking().SingleOrDefaultAsync(h => h.Id == hostId, ct)
            ?? throw new ImageTaskException("Its host was removed.");
        return engines.Get(host.Address, host.SealedCredentials);
    }
}
