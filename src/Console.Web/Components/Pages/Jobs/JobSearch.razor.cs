using DeepLab.Core.Operations;
using DeepLab.Core.Operations.History;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Session;
using DeepLab.Web.Wording;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobSearch
{
    private static readonly DialogOptions s_options = new() { FullWidth = true, MaxWidth = MaxWidth.ExtraSmall };
    private static readonly (string Example, string Says)[] s_help =
    [
        ("state:failed,stopped", "in one of these states; reason:OutOfMemory likewise"),
        ("owner:ann team:vision", "whose it is, and whose share it used; names in full"),
        ("label:exp=a label:baseline", "a label with its text, or any text"),
        ("image:torch gpu:a100 host:gpu1", "a part of the image or the GPU's model; a host by its name"),
        ("command:\"--lr 0.1\" note:best", "a part of its commands, of its notes"),
        ("submitted:7d ended:2026-01", "the last 7 days (30m, 12h, 4w); a year, month, day or minute, UTC"),
        ("submitted:>2026-01-31", "after it; also >=, <, <=, and 2026-01..2026-03"),
        ("id:100..200 gpus:>=4", "its number, and how many GPUs it asks for"),
        ("metric:accuracy>0.95 metric:loss<=0.1", "its best value of a metric, once it has ended"),
        ("pinned:yes origin:12", "what stays for ever; what was made from job 12"),
    ];
    private IReadOnlyList<SpecError> _errors = [];
    private IReadOnlyList<SavedViewRow> _views = [];
    private bool _isAdmin;

    [Parameter, EditorRequired]
    public required WorkloadListAddress Address { get; set; }

    [Inject]
    private SavedViews Views { get; set; } = default!;

    [Inject]
    private CurrentActor CurrentActor { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private ISnackbar Snackbar { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private string Query => Address.Query;

    protected override async Task OnInitializedAsync()
    {
        _isAdmin = (await CurrentActor.GetAsync()).IsAdmin;
        await LoadAsync();
    }

    protected override void OnParametersSet() => _errors = SearchQuery.Read(Address.Search, Time.GetUtcNow()).Errors;

    private string Export(string format) =>
        $"/api/v1/jobs/export?format={format}{(Query.Length == 0 ? "" : $"&q={Uri.EscapeDataString(Query)}")}";

    private async Task LoadAsync() =>
        _views = await Views.ListAsync(await CurrentActor.GetAsync(), CancellationToken.None);

    private async Task SaveAsync()
    {
        var dialog = await Dialogs.ShowAsync<SaveViewDialog>(
            "Save this search",
            new DialogParameters<SaveViewDialog> { { d => d.Query, Query } },
            s_options
        );
        if (await dialog.Result is { Canceled: false })
        {
            await LoadAsync();
        }
    }

    private async Task RemoveAsync(SavedViewRow view)
    {
        const string Text = "The search goes, what it finds stays.";
        if (await Dialogs.ShowMessageBoxAsync($"Remove {view.Name}?", Text, "Remove it", cancelText: "Keep it") != true)
        {
            return;
        }
        var outcome = await Views.RemoveAsync(await CurrentActor.GetAsync(), view.Id, CancellationToken.None);
        if (outcome.Problem("The view is no longer there.") is { } problem)
        {
            Snackbar.Add(problem, Severity.Warning);
        }
        await LoadAsync();
    }

    private Task KeepAsync() => Dialogs.ShowAsync<KeepingDialog>("How long ended jobs stay", s_options);
}
