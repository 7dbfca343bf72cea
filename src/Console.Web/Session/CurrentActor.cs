using System.Security.Claims;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Components.Authorization;

namespace DeepLab.Web.Session;

/// <summary>Who sits before this circuit.</summary>
public sealed class CurrentActor(AuthenticationStateProvider authentication)
{
    /// <exception cref="InvalidOperationException">Nobody is signed in: pages are behind authorization, so this is a bug.</exception>
    public async Task<Actor> GetAsync()
    {
        var user = (await authentication.GetAuthenticationStateAsync()).User;
        return From(user) ?? throw new InvalidOperationException("A page was reached by someone who is not signed in.");
    }

    public static Actor? From(ClaimsPrincipal user) =>
        user.Identity is { IsAuthenticated: true }
        && Guid.TryParse(user.FindFirstValue(ClaimTypes.NameIdentifier), out var id)
            ? new Actor(
                id,
                user.Identity.Name ?? "",
                Enum.TryParse<UserRole>(user.FindFirstValue(ClaimTypes.Role), out var role) ? role : UserRole.Member
            )
            : null;
}
