using DeepLab.Web.Components;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components.Endpoints;
using MudBlazor;
using MudBlazor.Services;

namespace DeepLab.Web;

/// <summary>The pages' services and endpoints.</summary>
public static class WebServices
{
    // Styles may be inline: MudBlazor writes its theme so. Scripts may not.
    private const string Policy =
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
        + "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    public static IServiceCollection AddDeepLabPages(this IServiceCollection services)
    {
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddCascadingAuthenticationState();
        services.AddMudServices(o =>
        {
            o.SnackbarConfiguration.PositionClass = Defaults.Classes.Position.BottomRight;
            o.SnackbarConfiguration.VisibleStateDuration = 5000;
        });
        services.AddScoped<CurrentActor>();
        services.AddScoped<Viewer>();
        return services;
    }

    /// <summary>Call after authentication and authorization.</summary>
    public static void MapDeepLabPages(this WebApplication app)
    {
        app.Use(
            (context, next) =>
            {
                if (context.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() is not null)
                {
                    context.Response.Headers.ContentSecurityPolicy = Policy;
                    context.Response.Headers.XContentTypeOptions = "nosniff";
                    context.Response.Headers["Referrer-Policy"] = "same-origin";
                }
                return next(context);
            }
        );
        app.UseAntiforgery();
        app.MapStaticAssets().AllowAnonymous();
        app.MapRazorComponents<App>()
            .AddInteractiveServerRenderMode(o => o.ContentSecurityFrameAncestorsPolicy = null)
            .Add(endpoint => PagesAreRead(endpoint));
    }

    /// <summary>Pages take no form posts; their addresses stay free for the endpoints that do.</summary>
    private static void PagesAreRead(EndpointBuilder endpoint)
    {
        for (var i = 0; i < endpoint.Metadata.Count; i++)
        {
            if (
                endpoint.Metadata[i] is HttpMethodMetadata && endpoint.Metadata.OfType<ComponentTypeMetadata>().Any()
            )
            {
                endpoint.Metadata[i] = new HttpMethodMetadata(["GET", "HEAD"]);
            }
        }
    }
}
