using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Tenancy;

/// <param name="Weight">share of the lab beside other teams; 1 where absent</param>
/// <param name="Members">user names</param>
public sealed record TeamRequest(
    string Name,
    double? Weight = null,
    Quota? Quota = null,
    IReadOnlyList<string>? Members = null
);

/// <summary>What is absent stays as it is.</summary>
public sealed record TeamChangeRequest(
    double? Weight = null,
    Quota? Quota = null,
    IReadOnlyList<string>? Members = null
);

/// <param name="Password">10 to 200 characters; one is made and answered where absent</param>
public sealed record UserRequest(
    string UserName,
    string? Password = null,
    UserRole Role = UserRole.Member,
    Quota? Quota = null
);

/// <param name="Password">told this once, where it was made here; else null</param>
public sealed record UserMadeResponse(string UserName, string? Password);

/// <summary>What is absent stays as it is.</summary>
public sealed record UserChangeRequest(UserRole? Role = null, bool? Disabled = null, Quota? Quota = null);

/// <summary>Teams with their shares and quotas, and users.</summary>
public static class TeamsApi
{
    internal static void MapTeams(this RouteGroupBuilder api)
    {
        api.MapGet("/teams", ListAsync)
            .WithTags("teams")
            .WithSummary("Teams that you may submit for, with what each holds; for admins, all.");
        var teams = api.MapGroup("/teams").WithTags("teams").RequireAuthorization(Scopes.Admin);
        teams.MapPost("", CreateAsync).WithSummary("Makes a team.");
        teams.MapPatch("/{name}", ChangeAsync).WithSummary("Changes a team's weight, quota or members.");
        teams.MapDelete("/{name}", DeleteAsync).WithSummary("Removes a team that has no live jobs.");

        var users = api.MapGroup("/users").WithTags("users").RequireAuthorization(Scopes.Admin);
        users.MapGet("", UsersAsync).WithSummary("All users.");
        users.MapPost("", CreateUserAsync).WithSummary("Makes a user.");
        users.MapPatch("/{userName}", ChangeUserAsync).WithSummary("Changes a user's role or quota, or disables one.");
    }

    private static async Task<Ok<Page<TeamView>>> ListAsync(
        HttpContext context,
        TeamVerbs teams,
        CancellationToken ct
    ) => TypedResults.Ok(Paging.All(await teams.ListAsync(context.User.Actor(), ct)));

    private static async Task<Results<Created, ProblemHttpResult>> CreateAsync(
        TeamRequest request,
        HttpContext context,
        TeamVerbs teams,
        CancellationToken ct
    )
    {
        var change = new TeamChange(request.Weight, request.Quota, request.Members);
        var outcome = await teams.CreateAsync(context.User.Actor(), request.Name, change, ct);
        return outcome is Outcome<string>.Done { Value: var name }
            ? TypedResults.Created($"/api/v1/teams/{name}")
            : Problems.Of(outcome, "team");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangeAsync(
        string name,
        TeamChangeRequest request,
        HttpContext context,
        TeamVerbs teams,
        CancellationToken ct
    )
    {
        var change = new TeamChange(request.Weight, request.Quota, request.Members);
        var outcome = await teams.ChangeAsync(context.User.Actor(), name, change, ct);
        return Replies.Done(outcome, "team");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        string name,
        HttpContext context,
        TeamVerbs teams,
        CancellationToken ct
    ) => Replies.Done(await teams.DeleteAsync(context.User.Actor(), name, ct), "team");

    private static async Task<Ok<Page<UserView>>> UsersAsync(UserVerbs users, CancellationToken ct) =>
        TypedResults.Ok(Paging.All(await users.ListAsync(ct)));

    private static async Task<Results<Created<UserMadeResponse>, ProblemHttpResult>> CreateUserAsync(
        UserRequest request,
        HttpContext context,
        UserVerbs users,
        Passwords passwords,
        CancellationToken ct
    )
    {
        if (request.Role != UserRole.Member && RoleRefusal(context) is { } refused)
        {
            return refused;
        }
        if (request.Password is { } given && Passwords.WhyRefused(given) is { } why)
        {
            return Problems.Invalid([new SpecError("password", why)]);
        }
        var made = request.Password is null ? Passwords.Generate() : null;
        var outcome = await users.CreateAsync(
            context.User.Actor(),
            request.UserName,
            passwords.Hash(request.Password ?? made!),
            request.Role,
            request.Quota ?? Quota.None,
            ct
        );
        return outcome is Outcome<string>.Done { Value: var name }
            ? TypedResults.Created($"/api/v1/users/{name}", new UserMadeResponse(name, made))
            : Problems.Of(outcome, "user");
    }

    private static async Task<Results<NoContent, ProblemHttpResult>> ChangeUserAsync(
        string userName,
        UserChangeRequest request,
        HttpContext context,
        UserVerbs users,
        Sessions sessions,
        CancellationToken ct
    )
    {
        if (request.Role is not null && RoleRefusal(context) is { } refused)
        {
            return refused;
        }
        var outcome = await users.ChangeAsync(
            context.User.Actor(),
            userName,
            request.Role,
            request.Disabled,
            request.Quota,
            ct
        );
        sessions.Forget();
        return Replies.Done(outcome, "user");
    }

    /// <summary>A token that leaked must not become a lasting admin: roles are given by a person in a browser.</summary>
    private static ProblemHttpResult? RoleRefusal(HttpContext context) =>
        Policies.IsPerson(context.User)
            ? null
            : Problems.Of(
                StatusCodes.Status403Forbidden,
                "A token may not give or change roles; that takes an admin in a browser."
            );
}
