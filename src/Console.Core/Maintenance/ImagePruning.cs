using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Maintenance;

/// <summary>What a policy would take away.</summary>
/// <param name="Bytes">with the layers that it shares with others; null where its host does not say</param>
public sealed record PolicyRow(
    string Reference,
    string Host,
    ImageSource Source,
    DateTimeOffset? LastUsedAt,
    long? Bytes
);

/// <summary>Has images that nothing uses taken off their hosts, where the policy says so. Run by the schedule; safe to run twice at once.</summary>
public sealed partial class ImagePruning(
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ConsoleOptions options,
    TimeProvider time,
    ILogger<ImagePruning> logger
)
{
    /// <summary>Who asked, as the tasks and the audit have it.</summary>
    public const string ActorName = "console";

    /// <summary>Removals that one run begins; the next goes on.</summary>
    private const int MostAtOnce = 200;

    /// <summary>A host that does not say how large its images are in this time shows them without.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>What a policy would take away now, were it in force. Changes nothing.</summary>
    public async Task<IReadOnlyList<PolicyRow>> PreviewAsync(ImagePolicy policy, CancellationToken ct)
    {
        if (policy.Cutoff(time.GetUtcNow()) is not { } usedBefore)
        {
            return [];
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var unused = await UnusedImages.FindAsync(db, policy.Sources, usedBefore, options.ProbeImage, ct);
        var names = unused.Select(u => u.Host).Distinct().ToArray();
        var hosts = await db.Hosts.AsNoTracking().Where(h => names.Contains(h.Name)).ToListAsync(ct);
        var sizes = await Task.WhenAll(hosts.Select(h => SizesAsync(h, [.. unused.Where(u => u.Host == h.Name)], ct)));
        var all = sizes.SelectMany(s => s).ToDictionary(s => (s.Reference, s.Host), s => s.Bytes);
        return
        [
            .. unused.Select(u => new PolicyRow(
                u.Reference,
                u.Host,
                u.Source,
                u.LastUsedAt,
                all.GetValueOrDefault((u.Reference, u.Host))
            )),
        ];
    }

    private async Task<IReadOnlyList<(string Reference, string Host, long? Bytes)>> SizesAsync(
        Clusters.Host host,
        IReadOnlyList<UnusedImage> images,
        CancellationToken ct
    )
    {
        var engine = engines.Get(host.Address, host.SealedCredentials);
        var found = new List<(string, string, long?)>();
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(ct);
        bound.CancelAfter(s_patience);
        try
        {
            foreach (var image in images)
            {
                var info = await engine.FindImageAsync(image.Reference, bound.Token);
                found.Add((image.Reference, image.Host, info?.Bytes));
            }
        }
        catch (Exception e)
            when (e is EngineException or EngineUnreachableException
                || (e is OperationCanceledException && !ct.IsCancellationRequested)
            )
        {
            // What it did not say in time is shown without
        }
        return found;
    }

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
                            ImageTask.Waiting(
                                ImageTaskKind.Remove,
                                image.Reference,
                                (host.Id, host.Name),
                                (Guid.Empty, ActorName),
                                now
                            )
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
