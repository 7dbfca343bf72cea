using DeepLab.Web.Components;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components.Authorization;
using MudBlazor;
using MudBlazor.Services;

namespace DeepLab.Web;

/// <summary>The pages' services and endpoints.</summary>
public static class WebServices
{
    public static IServiceCollection AddDeepLabPages(this IServiceCollection services)
    {
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddCascadingAuthenticationState();
        services.AddMudServices(o =>
        {
            o.SnackbarConfiguration.PositionClass = Defaults.Classes.Position.BottomRight;
            o.SnackbarConfiguration.VisibleStateDuration = 5000;
        });
        services.AddScoped<AuthenticationStateProvider, CircuitSession>();
        services.AddScoped<CurrentActor>();
        services.AddScoped<AdminDeeds>();
        services.AddScoped<EnvironmentDeeds>();
        services.AddScoped<ImageDeeds>();
        services.AddScoped<Viewer>();
        return services;
    }

    /// <summary>Call after authentication and authorization.</summary>
    public static void MapDeepLabPages(this WebApplication app)
    {
        app.UseAntiforgery();
        // The sign-in page is dressed as well; nothing among the assets is secret
        app.MapStaticAssets().AllowAnonymous();
        // The frame policy stands in the headers of every answer already
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(o => o.ContentSecurityFrameAncestorsPolicy = null);
    }
}
