using System.Text.Encodings.Web;
using DeepLab.Api.Errors;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace DeepLab.Api.Auth;

/// <summary>`Authorization: Bearer dl_…`, and nothing else: no token in an address, where logs would keep it.</summary>
public sealed class TokenHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory logger,
    UrlEncoder encoder,
    Sessions sessions
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "token";
    private const string Prefix = "Bearer ";

    /// <summary>`dl_` and 256 bits in base64url</summary>
    private const int SecretLength = 46;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization;
        if (
            header.Count != 1
            || header[0] is not { } value
            || !value.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)
        )
        {
            return AuthenticateResult.Fail("one header of the form Bearer dl_… is needed");
        }
        var secret = value[Prefix.Length..].Trim();
        if (secret.Length != SecretLength || !secret.StartsWith("dl_", StringComparison.Ordinal))
        {
            return AuthenticateResult.Fail("not a token of this console");
        }
        var identity = await sessions.AuthenticateAsync(secret, Context.RequestAborted);
        return identity is null
            ? AuthenticateResult.Fail("unknown, expired or revoked")
            : AuthenticateResult.Success(
                new AuthenticationTicket(
                    Identities.Principal(identity, SchemeName),
                    new AuthenticationProperties { ExpiresUtc = identity.ExpiresAt },
                    SchemeName
                )
            );
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = "Bearer";
        return Problems.WriteAsync(
            Context,
            StatusCodes.Status401Unauthorized,
            "The token is unknown, expired or revoked; send a good one as Authorization: Bearer dl_…."
        );
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        Problems.WriteAsync(
            Context,
            StatusCodes.Status403Forbidden,
            "The token lacks the scope, or its user the role."
        );
}
