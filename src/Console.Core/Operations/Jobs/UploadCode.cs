using System.Security.Cryptography;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Keeps a tar.gz by its digest after reading it through: links, bombs and bad paths are refused.</summary>
public sealed class UploadCode(IDbContextFactory<ConsoleDb> databases, CodeFolder folder, TimeProvider time)
{
    public async Task<Outcome<CodeArchive>> RunAsync(Actor actor, Stream body, CancellationToken ct)
    {
        var temporary = Path.Combine(folder.Root, $".upload-{Guid.CreateVersion7():N}");
        try
        {
            string digest;
            long bytes;
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                (digest, bytes) = await CopyAsync(body, file, ct);
                if (bytes > CodeLimits.Default.CompressedBytes)
                {
                    return Refuse($"The archive is over {CodeLimits.Default.CompressedBytes >> 20} MiB.");
                }
                file.Position = 0;
                var report = await CodeArchives.InspectAsync(file, CodeLimits.Default, ct);
                if (report.Errors.Count > 0)
                {
                    return new Outcome<CodeArchive>.Refused(report.Errors);
                }
                file.Flush(flushToDisk: true);
                file.Close();
                File.Move(temporary, folder.PathOf(digest), overwrite: true);
                return new Outcome<CodeArchive>.Done(await KeepAsync(actor, digest, bytes, report, ct));
            }
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static Outcome<CodeArchive>.Refused Refuse(string message) => new([new SpecError("", message)]);

    /// <summary>Stops one byte past the limit, so that the caller sees that it was passed.</summary>
    private static async Task<(string Digest, long Bytes)> CopyAsync(Stream body, Stream file, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 << 10];
        long bytes = 0;
        int read;
        while (bytes <= CodeLimits.Default.CompressedBytes && (read = await body.ReadAsync(buffer, ct)) > 0)
        {
            hash.AppendData(buffer, 0, read);
            await file.WriteAsync(buffer.AsMemory(0, read), ct);
            bytes += read;
        }
        return ("sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset()), bytes);
    }

    private async Task<CodeArchive> KeepAsync(
        Actor actor,
        string digest,
        long bytes,
        CodeReport report,
        CancellationToken ct
    )
    {
        var now = time.GetUtcNow();
        await using var db = await databases.CreateDbContextAsync(ct);
        await db.Database.ExecuteSqlAsync(
            $"""
            insert into code_archives (digest, bytes, unpacked_bytes, entries, owner_id, created_at, last_used_at)
            values ({digest}, {bytes}, {report.UnpackedBytes}, {report.Entries}, {actor.UserId}, {now}, {now})
            on conflict (digest) do update set last_used_at = excluded.last_used_at
            """,
            ct
        );
        return await db.CodeArchives.AsNoTracking().SingleAsync(c => c.Digest == digest, ct);
    }
}
