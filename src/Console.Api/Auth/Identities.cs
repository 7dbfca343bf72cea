using System.Security.Claims;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;

namespace DeepLab.Api.Auth;

/// <summary>
/// Who is asking, as claims. A browser's session and a program's token look alike: both stand on a token row, which can
/// be revoked; the browser's is named by its cookie, the program's by its secret.
/// </summary>
public static class Identities
{
    public const string TokenIdClaim = "deeplab:token";
    public const string StampClaim = "deeplab:stamp";
    public const string ScopeClaim = "scope";

    public static ClaimsPrincipal Principal(TokenIdentity identity, string scheme)
    {
        var role = ActorOf(identity).Role;
        var claims = new List<Claim>
        {
            new(ClaimTypes.NameIdentifier, identity.Actor.UserId.ToString()),
            new(ClaimTypes.Name, identity.Actor.UserName),
            new(ClaimTypes.Role, role.ToString()),
            new(TokenIdClaim, identity.TokenId.ToString()),
            new(StampClaim, identity.SecurityStamp),
        };
        claims.AddRange(identity.Scopes.Select(s => new Claim(ScopeClaim, s)));
        return new ClaimsPrincipal(new ClaimsIdentity(claims, scheme));
    }

    /// <summary>An admin's token without the scope acts as a member.</summary>
    public static Actor ActorOf(TokenIdentity identity) =>
        identity.Actor.IsAdmin && !identity.Scopes.Contains(Scopes.Admin)
            ? identity.Actor with
            {
                Role = UserRole.Member,
            }
            : identity.Actor;

    /// <exception cref="InvalidOperationException">Nobody is signed in: the endpoint lacks its policy.</exception>
    public static Actor Actor(this ClaimsPrincipal user) =>
        user.FindFirstValue(ClaimTypes.NameIdentifier) is { } id
        && user.Identity?.Name is { } name
        && Enum.TryParse<UserRole>(user.FindFirstValue(ClaimTypes.Role), out var role)
            ? new Actor(Guid.Parse(id), name, role)
            : throw new InvalidOperationException("Nobody is signed in.");

    public static Guid TokenId(this ClaimsPrincipal user) =>
        Guid.TryParse(user.FindFirstValue(TokenIdClaim), out var id) ? id : Guid.Empty;

    /// <summary>Of the user when the session began; another one since means that the session is over.</summary>
    public static string StampOf(this ClaimsPrincipal user) => user.FindFirstValue(StampClaim) ?? "";

    public static IReadOnlyList<string> ScopesOf(this ClaimsPrincipal user) =>
        [.. user.FindAll(ScopeClaim).Select(c => c.Value)];

    /// <summary>All that a user may do.</summary>
    public static IReadOnlyList<string> ScopesOf(UserRole role) =>
        role == UserRole.Admin ? Scopes.All : [.. Scopes.All.Where(s => s != Scopes.Admin)];
}
