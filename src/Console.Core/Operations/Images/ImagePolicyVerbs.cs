using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <param name="UnusedDays">an image goes once nothing used it for as many days; null = none ever goes by itself</param>
/// <param name="Foreign">also images that no console pulled or made</param>
public sealed record ImagePolicyInput(int? UnusedDays = null, bool Foreign = false)
{
    public ImagePolicy ToPolicy() => new() { UnusedDays = UnusedDays, Foreign = Foreign };
}

/// <summary>When images leave their hosts by themselves. For admins: the doors check that.</summary>
public sealed class ImagePolicyVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public const int MostDays = 3650;

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

    /// <summary>What is wrong with it; null where nothing is.</summary>
    public static SpecError? Refuse(ImagePolicyInput given) =>
        given.UnusedDays is < 1 or > MostDays
            ? new SpecError(
                "unusedDays",
                $"This is {given.UnusedDays}; 1 to {MostDays:N0} days are allowed, or none at all for off."
            )
            : null;
}
