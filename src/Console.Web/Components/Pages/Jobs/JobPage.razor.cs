using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobPage
{
    private static readonly (string Key, string Word)[] s_tabs =
    [
        ("", "Overview"),
        ("logs", "Logs"),
        ("curves", "Curves"),
        ("resources", "Resources"),
        ("spec", "Spec"),
    ];
    private long _opened;

    [Parameter]
    public long Id { get; set; }

    [SupplyParameterFromQuery(Name = "tab")]
    public string? WantedTab { get; set; }

    [SupplyParameterFromQuery]
    public string? Replica { get; set; }

    [SupplyParameterFromQuery]
    public int? Attempt { get; set; }

    private string Tab => s_tabs.Any(t => t.Key == WantedTab) ? WantedTab! : "";

    protected override async Task OnParametersSetAsync()
    {
        if (_opened != Id)
        {
            _opened = Id;
            await OpenAsync(Id);
        }
    }

    private string Address(string tab) => tab.Length == 0 ? $"/jobs/{Id}" : $"/jobs/{Id}?tab={tab}";
}
