using System.Security.Claims;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Authorization;

namespace DeepLab.Api.Auth;

/// <summary>One policy a scope, by the scope's name, and two about who asks.</summary>
public static class Policies
{
    /// <summary>A person in a browser: what no token may do, such as making tokens.</summary>
    public const string Person = "person";

    /// <summary>An admin in a browser.</summary>
    public const string AdminPerson = "admin-person";

    internal static void Add(AuthorizationOptions options)
    {
        var signedIn = new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build();
        options.DefaultPolicy = signedIn;
        options.FallbackPolicy = signedIn;
        foreach (var scope in Scopes.All)
        {
            options.AddPolicy(scope, p => p.RequireAuthenticatedUser().RequireClaim(Identities.ScopeClaim, scope));
        }
        options.AddPolicy(Person, p => p.RequireAuthenticatedUser().RequireAssertion(c => IsPerson(c.User)));
        options.AddPolicy(
            AdminPerson,
            p =>
                p.RequireAuthenticatedUser().RequireRole(nameof(UserRole.Admin)).RequireAssertion(c => IsPerson(c.User))
        );
    }

    internal static bool IsPerson(ClaimsPrincipal user) =>
        user.Identity?.AuthenticationType == BrowserSession.SchemeName;
}
