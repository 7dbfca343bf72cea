using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DeepLab.Api.Tenancy;

/// <param name="Keys">OpenSSH public keys, one line each, at most 20</param>
public sealed record SshKeysBody(IReadOnlyList<string> Keys);

/// <summary>One's own SSH keys.</summary>
public static class SshKeysApi
{
    internal static void MapSshKeys(this RouteGroupBuilder api)
    {
        var keys = api.MapGroup("/me/ssh-keys").WithTags("session");
        keys.MapGet("", ReadAsync).WithSummary("The public keys that open one's environments over SSH.");
        keys.MapPut("", ReplaceAsync)
            // A key outlives the token that would have put it there
            .RequireAuthorization(Policies.Person)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithSummary("Puts these keys in place of all; they reach environments that run.");
    }

    private static async Task<Ok<SshKeysBody>> ReadAsync(HttpContext context, SshKeyVerbs keys, CancellationToken ct) =>
        TypedResults.Ok(new SshKeysBody(await keys.ReadAsync(context.User.Actor(), ct)));

    private static async Task<Results<Ok<SshKeysBody>, ProblemHttpResult>> ReplaceAsync(
        SshKeysBody body,
        HttpContext context,
        SshKeyVerbs keys,
        CancellationToken ct
    )
    {
        if (body.Keys is null)
        {
            return Problems.Invalid([
                new Core.Workloads.SpecError("keys", "A list of public keys is allowed; an empty one takes all away."),
            ]);
        }
        var outcome = await keys.ReplaceAsync(context.User.Actor(), body.Keys, ct);
        return outcome is Outcome<IReadOnlyList<string>>.Done { Value: var kept }
            ? TypedResults.Ok(new SshKeysBody(kept))
            : Problems.Of(outcome, "user");
    }
}
