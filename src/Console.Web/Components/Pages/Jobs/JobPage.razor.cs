using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobPage
{
    private static readonly (string Key, string Word)[] s_tabs =
    [
        ("", "Overview"),
        ("logs", "Logs"),
        ("curves", "Curves"),
        ("checkpoints", "Checkpoints"),
        ("resources", "Resources"),
        ("terminal", "Terminal"),
        ("spec", "Spec"),
    ];
    private long _opened;

    [Parameter]
    public long Id { get; set; }

    [SupplyParameterFromQuery]
    public string? Tab { get; set; }

    [SupplyParameterFromQuery]
    public string? Replica { get; set; }

    [SupplyParameterFromQuery]
    public int? Attempt { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    protected override async Task OnParametersSetAsync()
    {
        if (_opened != Id)
        {
            _opened = Id;
            await OpenAsync(Id);
        }
    }

    /// <summary>What names a workload by its number alone links here, and some of them are environments.</summary>
    protected override Task OnBoardChangedAsync()
    {
        if (Board is { IsEnvironment: true })
        {
            Navigation.NavigateTo($"/environments/{Id}{new Uri(Navigation.Uri).Query}", replace: true);
        }
        return Task.CompletedTask;
    }

    private static string SpecText(JobDetail job) =>
        SpecReader.Read(job.SpecJson).Spec is { } spec ? SpecWriter.Write(spec, indented: true) : job.SpecJson;
}
