using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <param name="UnusedDays">an image goes once nothing used it for as many days; null = none ever goes by itself</param>
/// <param name="Foreign">also images that no console pulled or made</param>
public sealed record ImagePolicyInput(int? UnusedDays = null, bool Foreign = false);

/// <summary>What a policy would take away.</summary>
/// <param name="Bytes">with the layers that it shares with others; null where its host does not say</param>
public sealed record PolicyRow(
    string Reference,
    string Host,
    ImageSource Source,
    DateTimeOffset? LastUsedAt,
    long? Bytes
);

/// <summary>When images leave their hosts by themselves. For admins: the doors check that.</summary>
public sealed class ImagePolicyVerbs(
    IDbContextFactory<ConsoleDb> databases,
    IEngineFactory engines,
    ConsoleOptions options,
    TimeProvider time
)
{
    public const int MostDays = 3650;

    /// <summary>A host that does not say how large its images are in this time shows them without.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public async Task<ImagePolicyInput> FindAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.ImagePolicies.AsNoTracking().SingleOrDefaultAsync(ct) is { } policy
            ? new ImagePolicyInput(policy.UnusedDays, policy.Foreign)
            : new ImagePolicyInput();
    }

    public async Task<Outcome<ImagePolicyInput>> SaveAsync(Actor actor, ImagePolicyInput given, CancellationToken ct)
    {
        if (Refuse(given) is { } refused)
        {
            return new Outcome<ImagePolicyInput>.Refused([refused]);
        }
        return await VerbTransaction.RunAsync<ImagePolicyInput>(
            databases,
            async db =>
            {
                await db.Database.ExecuteSqlAsync(
                    $"""
                    insert into image_policy (id, unused_days, "foreign") values (1, {given.UnusedDays}, {given.Foreign})
                    on conflict (id) do update set unused_days = excluded.unused_days, "foreign" = excluded."foreign"
                    """,
                    ct
                );
                var words = given.UnusedDays is { } days
                    ? $"after {days} days{(given.Foreign ? ", those of others too" : "")}"
                    : "off";
                db.AddAudit(time.GetUtcNow(), actor.UserName, "image-policy.set", words);
                db.Tell(ChangeKind.Image);
                return new Outcome<ImagePolicyInput>.Done(given);
            },
            ct
        );
    }

    /// <summary>What it would take away now, were it in force. Changes nothing.</summary>
    public async Task<Outcome<IReadOnlyList<PolicyRow>>> PreviewAsync(ImagePolicyInput given, CancellationToken ct)
    {
        if (Refuse(given) is { } refused)
        {
            return new Outcome<IReadOnlyList<PolicyRow>>.Refused([refused]);
        }
        var policy = new ImagePolicy { UnusedDays = given.UnusedDays, Foreign = given.Foreign };
        if (policy.Cutoff(time.GetUtcNow()) is not { } usedBefore)
        {
            return new Outcome<IReadOnlyList<PolicyRow>>.Done([]);
        }
        await using var db = await databases.CreateDbContextAsync(ct);
        var unused = await UnusedImages.FindAsync(db, policy.Sources, usedBefore, options.ProbeImage, ct);
        var names = unused.Select(u => u.Host).Distinct().ToArray();
        var hosts = await db.Hosts.AsNoTracking().Where(h => names.Contains(h.Name)).ToListAsync(ct);
        var sizes = await Task.WhenAll(hosts.Select(h => SizesAsync(h, [.. unused.Where(u => u.Host == h.Name)], ct)));
        var all = sizes.SelectMany(s => s).ToDictionary(s => (s.Reference, s.Host), s => s.Bytes);
        return new Outcome<IReadOnlyList<PolicyRow>>.Done([
            .. unused.Select(u => new PolicyRow(
                u.Reference,
                u.Host,
                u.Source,
                u.LastUsedAt,
                all.GetValueOrDefault((u.Reference, u.Host))
            )),
        ]);
    }

    private static SpecError? Refuse(ImagePolicyInput given) =>
        given.UnusedDays is < 1 or > MostDays
            ? new SpecError(
                "unusedDays",
                $"This is {given.UnusedDays}; 1 to {MostDays:N0} days are allowed, or none at all for off."
            )
            : null;

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
}
