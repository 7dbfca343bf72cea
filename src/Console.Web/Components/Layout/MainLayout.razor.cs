using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Routing;
using Microsoft.AspNetCore.Components.Web;

namespace DeepLab.Web.Components.Layout;

public sealed partial class MainLayout : IDisposable
{
    private ErrorBoundary? _boundary;
    private bool _ready;
    private bool _open;

    [Inject]
    private Viewer Viewer { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    protected override async Task OnInitializedAsync()
    {
        await Viewer.StartAsync();
        Viewer.Changed += Render;
        Navigation.LocationChanged += Moved;
        _ready = true;
    }

    private void Toggle() => _open = !_open;

    private void Moved(object? sender, LocationChangedEventArgs e)
    {
        _open = false;
        _boundary?.Recover();
        Render();
    }

    private void Render() => _ = InvokeAsync(StateHasChanged);

    public void Dispose()
    {
        Viewer.Changed -= Render;
        Navigation.LocationChanged -= Moved;
    }
}
