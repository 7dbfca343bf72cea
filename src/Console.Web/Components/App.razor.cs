using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.Components.Web;

namespace DeepLab.Web.Components;

public partial class App
{
    // Prerendering would load every page twice, and in UTC and the wrong theme, since only the browser knows them
    private static readonly IComponentRenderMode s_interactive = new InteractiveServerRenderMode(prerender: false);

    [CascadingParameter]
    private HttpContext HttpContext { get; set; } = default!;

    private IComponentRenderMode? Mode => HttpContext.AcceptsInteractiveRouting() ? s_interactive : null;
}
