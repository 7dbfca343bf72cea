using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Layout;

/// <summary>Sends whoever is not signed in to the sign-in page, and back here afterwards.</summary>
public sealed class ToSignIn : ComponentBase
{
    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    protected override void OnInitialized() =>
        Navigation.NavigateTo(
            "sign-in?returnUrl=" + Uri.EscapeDataString("/" + Navigation.ToBaseRelativePath(Navigation.Uri)),
            forceLoad: true
        );
}
