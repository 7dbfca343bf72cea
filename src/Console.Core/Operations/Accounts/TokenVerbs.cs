using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Accounts;

/// <param name="Secret">`dl_…`, told once and never kept</param>
public sealed record NewToken(TokenView Token, string Secret);

/// <summary>A program's identity after its token was checked.</summary>
public sealed record TokenIdentity(
    Guid TokenId,
    Actor Actor,
    string SecurityStamp,
    IReadOnlyList<string> Scopes,
    DateTimeOffset ExpiresAt
);

public sealed class TokenVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    private const int PrefixLength = 9;
    private static readonly TimeSpan s_touch = TimeSpan.FromMinutes(1);

    /// <summary>Scopes are of <see cref="Scopes.All"/>; `admin` only for admins; lifetime 1 minute to 366 days.</summary>
    public async Task<Outcome<NewToken>> CreateAsync(
        Actor actor,
        string name,
        IReadOnlyList<string> scopes,
        TimeSpan lifetime,
        CancellationToken ct
    )
    {
        var errors = Check(actor, name, scopes, lifetime);
        if (errors.Count > 0)
        {
            return new Outcome<NewToken>.Refused(errors);
        }
        var secret = "dl_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var now = time.GetUtcNow();
        var token = new ApiToken
        {
            Id = Guid.CreateVersion7(now),
            UserId = actor.UserId,
            Name = name,
            Prefix = secret[..PrefixLength],
            Hash = HashOf(secret),
            Scopes = [.. scopes.Distinct(StringComparer.Ordinal)],
            CreatedAt = now,
            ExpiresAt = now + lifetime,
        };
        await using var db = await databases.CreateDbContextAsync(ct);
        db.Tokens.Add(token);
        db.AddAudit(now, actor.UserName, "token.create", $"token {token.Id}");
        await db.SaveChangesAsync(ct);
        return new Outcome<NewToken>.Done(new NewToken(View(token), secret));
    }

    public async Task<Outcome<Guid>> RevokeAsync(Actor actor, Guid id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var token = await db.Tokens.SingleOrDefaultAsync(
            t => t.Id == id && (actor.IsAdmin || t.UserId == actor.UserId),
            ct
        );
        if (token is null)
        {
            return new Outcome<Guid>.NotFound();
        }
        if (token.RevokedAt is null)
        {
            await db
                .Database.CreateExecutionStrategy()
                .ExecuteAsync(async () =>
                {
                    await using var transaction = await db.Database.BeginTransactionAsync(ct);
                    token.RevokedAt = time.GetUtcNow();
                    db.AddAudit(token.RevokedAt.Value, actor.UserName, "token.revoke", $"token {id}");
                    db.Tell(ChangeKind.Account);
                    await db.CommitAsync(ct);
                });
        }
        return new Outcome<Guid>.Done(id);
    }

    public async Task<IReadOnlyList<TokenView>> ListAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var tokens = await db
            .Tokens.AsNoTracking()
            .Where(t => t.UserId == actor.UserId)
            .OrderByDescending(t => t.CreatedAt)
            .Take(1000)
            .ToListAsync(ct);
        return [.. tokens.Select(View)];
    }

    /// <summary>Null where the token is unknown, expired, revoked, or its user disabled.</summary>
    public async Task<TokenIdentity?> AuthenticateAsync(string secret, CancellationToken ct)
    {
        var hash = HashOf(secret);
        await using var db = await databases.CreateDbContextAsync(ct);
        return await IdentifyAsync(db, db.Tokens.Where(t => t.Hash == hash), ct);
    }

    /// <summary>As <see cref="AuthenticateAsync"/>, for whoever proved the token earlier: is it still good?</summary>
    public async Task<TokenIdentity?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await IdentifyAsync(db, db.Tokens.Where(t => t.Id == id), ct);
    }

    private async Task<TokenIdentity?> IdentifyAsync(ConsoleDb db, IQueryable<ApiToken> tokens, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var found = await tokens
            .AsNoTracking()
            .Where(t => t.RevokedAt == null && t.ExpiresAt > now)
            .Join(db.Users.Where(u => !u.Disabled), t => t.UserId, u => u.Id, (t, u) => new { Token = t, User = u })
            .SingleOrDefaultAsync(ct);
        if (found is null)
        {
            return null;
        }
        if (found.Token.LastUsedAt is null || now - found.Token.LastUsedAt > s_touch)
        {
            await TouchAsync(db, found.Token.Id, now, ct);
        }
        return new TokenIdentity(
            found.Token.Id,
            new Actor(found.User.Id, found.User.UserName, found.User.Role),
            found.User.SecurityStamp,
            found.Token.Scopes,
            found.Token.ExpiresAt
        );
    }

    private static async Task TouchAsync(ConsoleDb db, Guid id, DateTimeOffset now, CancellationToken ct)
    {
        try
        {
            await db.Tokens.Where(t => t.Id == id).ExecuteUpdateAsync(s => s.SetProperty(t => t.LastUsedAt, now), ct);
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e))
        {
            // A database that takes no writes is still read: for this alone nobody is turned away
        }
    }

    private static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    private static TokenView View(ApiToken t) =>
        new(t.Id, t.Name, t.Prefix, t.Scopes, t.CreatedAt, t.ExpiresAt, t.LastUsedAt, t.RevokedAt);

    private static List<SpecError> Check(Actor actor, string name, IReadOnlyList<string> scopes, TimeSpan lifetime)
    {
        var errors = new List<SpecError>();
        if (name.Length is 0 or > 100 || name.Any(char.IsControl))
        {
            errors.Add(new SpecError("name", "1 to 100 characters without control characters are allowed."));
        }
        if (scopes.Count == 0 || scopes.Except(Scopes.All, StringComparer.Ordinal).Any())
        {
            errors.Add(new SpecError("scopes", $"One or more of {string.Join(", ", Scopes.All)} are allowed."));
        }
        else if (scopes.Contains(Scopes.Admin, StringComparer.Ordinal) && !actor.IsAdmin)
        {
            errors.Add(new SpecError("scopes", "The scope admin is for admins."));
        }
        if (lifetime < TimeSpan.FromMinutes(1) || lifetime > TimeSpan.FromDays(366))
        {
            errors.Add(new SpecError("lifetime", "1 minute to 366 days are allowed."));
        }
        return errors;
    }
}
