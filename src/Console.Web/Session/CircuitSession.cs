using DeepLab.Api.Auth;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;

namespace DeepLab.Web.Session;

/// <summary>
/// A circuit lives long after the request that opened it: this looks every five seconds whether the session behind it was
/// revoked, and then sends the page to the sign-in: access ends within ten.
/// </summary>
public sealed partial class CircuitSession(Sessions sessions, ILoggerFactory loggers)
    : RevalidatingServerAuthenticationStateProvider(loggers)
{
    private readonly ILogger _logger = loggers.CreateLogger<CircuitSession>();

    protected override TimeSpan RevalidationInterval { get; } = TimeSpan.FromSeconds(5);

    protected override async Task<bool> ValidateAuthenticationStateAsync(
        AuthenticationState authenticationState,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return await sessions.IsCurrentAsync(authenticationState.User, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing can be read while the database is away; signing everyone out for it would only lose their pages
            Log.NotChecked(_logger, e);
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Whether a session is still good could not be checked")]
        public static partial void NotChecked(ILogger logger, Exception error);
    }
}
