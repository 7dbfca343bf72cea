using DeepLab.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Auth;

internal static class AuthServices
{
    /// <summary>Picks the cookie or the token by whether an Authorization header is there.</summary>
    private const string Either = "either";

    public static void AddApiAuth(this IServiceCollection services, ConsoleOptions options)
    {
        services.AddSingleton<Passwords>();
        services.AddSingleton<FirstAdmin>();
        services.AddSingleton<SignInThrottle>();
        services.AddSingleton<SignIn>();
        services.AddSingleton<Sessions>();
        services.AddSingleton<BrowserSession>();
        services
            .AddDataProtection()
            .SetApplicationName("deeplab")
            .PersistKeysToFileSystem(KeyFolder(options.DataFolder));
        services.AddAntiforgery(o =>
        {
            o.Cookie.Name = "deeplab-form";
            o.Cookie.HttpOnly = true;
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            // The header is ours, and stricter
            o.SuppressXFrameOptionsHeader = true;
        });
        services
            .AddAuthentication(Either)
            .AddPolicyScheme(
                Either,
                null,
                o =>
                    o.ForwardDefaultSelector = c =>
                        c.Request.Headers.Authorization.Count > 0 ? TokenHandler.SchemeName : BrowserSession.SchemeName
            )
            .AddScheme<AuthenticationSchemeOptions, TokenHandler>(TokenHandler.SchemeName, null)
            .AddCookie(
                BrowserSession.SchemeName,
                o =>
                {
                    o.Cookie.Name = "deeplab";
                    o.Cookie.HttpOnly = true;
                    o.Cookie.SameSite = SameSiteMode.Lax;
                    o.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
                    o.CookieManager = new HostCookies();
                    o.ExpireTimeSpan = BrowserSession.Lifetime;
                    o.SlidingExpiration = false;
                    o.LoginPath = BrowserSession.SignInPath;
                    o.ReturnUrlParameter = "returnUrl";
                    o.EventsType = typeof(BrowserSession);
                }
            );
        services.AddAuthorization(Policies.Add);
    }

    private static DirectoryInfo KeyFolder(string dataFolder)
    {
        var path = Path.Combine(dataFolder, "keys");
        return OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(path)
            : Directory.CreateDirectory(
                path,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            );
    }
}
