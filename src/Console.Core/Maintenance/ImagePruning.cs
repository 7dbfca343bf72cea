using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Maintenance;

/// <summary>Has images that nothing uses taken off their hosts, where the policy says so. Run by the schedule; safe to run twice at once.</summary>
public sealed partial class ImagePruning(
    IDbContextFactory<ConsoleDb> databases,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<ImagePruning> logger
)
{
    /// <summary>Who asked, as the tasks and the audit have it.</summary>
    public const string ActorName = "console";

    /// <summary>Removals that one run begins; the next goes on.</summary>
    private const int MostAtOnce = 200;

    public async Task RunAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var begun = await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(
                async token =>
                {
                    db.ChangeTracker.Clear();
                    await using var transaction = await db.Database.BeginTransactionAsync(token);
                    // Two that run at once: the second finds the tasks of the first
                    var policy = (
                        await db
                            .ImagePolicies.FromSql($"select * from image_policy where id = 1 for update")
                            .ToListAsync(token)
                    ).SingleOrDefault();
                    if (policy?.Cutoff(time.GetUtcNow()) is not { } usedBefore)
                    {
                        return 0;
                    }
                    var unused = await UnusedImages.FindAsync(
                        db,
                        policy.Sources,
                        usedBefore,
                        options.ProbeImage,
                        token
                    );
                    var hosts = await db.Hosts.AsNoTracking().ToDictionaryAsync(h => h.Name, token);
                    foreach (var image in unused.Take(MostAtOnce))
                    {
                        var now = time.GetUtcNow();
                        var host = hosts[image.Host];
                        db.ImageTasks.Add(
                            new ImageTask
                            {
                                Kind = ImageTaskKind.Remove,
                                Reference = image.Reference,
                                HostId = host.Id,
                                HostName = host.Name,
                                ActorName = ActorName,
                                Message = "waits for its turn",
                                CreatedAt = now,
                            }
                        );
                        db.AddAudit(now, ActorName, "image.prune", $"{image.Reference} on {image.Host}");
                    }
                    db.Tell(ChangeKind.Image);
                    await db.CommitAsync(token);
                    return Math.Min(unused.Count, MostAtOnce);
                },
                ct
            );
        if (begun > 0)
        {
            Log.Begun(logger, begun);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Count} images that nothing uses are taken off their hosts")]
        public static partial void Begun(ILogger logger, int count);
    }
}
