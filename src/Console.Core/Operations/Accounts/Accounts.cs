using DeepLab.Core.Tenancy;

namespace DeepLab.Core.Operations.Accounts;

/// <param name="Secret">`dl_…`, told once and never kept</param>
public sealed record NewToken(TokenView Token, string Secret);

/// <summary>A program's identity after its token was checked.</summary>
public sealed record TokenIdentity(Guid TokenId, Actor Actor, string SecurityStamp, IReadOnlyList<string> Scopes, DateTimeOffset ExpiresAt);

public sealed class TokenVerbs
{
    /// <summary>Scopes are of <see cref="Scopes.All"/>; `admin` only for admins; lifetime 1 minute to 366 days.</summary>
    public Task<Outcome<NewToken>> CreateAsync(Actor actor, string name, IReadOnlyList<string> scopes, TimeSpan lifetime, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    public Task<Outcome<Guid>> RevokeAsync(Actor actor, Guid id, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<TokenView>> ListAsync(Actor actor, CancellationToken ct) => throw new NotSupportedException("not built yet");

    /// <summary>Null where the token is unknown, expired, revoked, or its user disabled.</summary>
    public Task<TokenIdentity?> AuthenticateAsync(string secret, CancellationToken ct) => throw new NotSupportedException("not built yet");
}

public sealed class UserVerbs
{
    public Task<User?> FindByNameAsync(string userName, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<User?> FindAsync(Guid id, CancellationToken ct) => throw new NotSupportedException("not built yet");

    /// <summary>Makes the first admin where there is no user at all; answers false, and changes nothing, where there is one.</summary>
    public Task<bool> CreateFirstAdminAsync(string userName, string passwordHash, CancellationToken ct) => throw new NotSupportedException("not built yet");

    /// <summary>Changes the stamp too: other sessions end.</summary>
    public Task ChangePasswordAsync(Guid userId, string passwordHash, CancellationToken ct) => throw new NotSupportedException("not built yet");
}
