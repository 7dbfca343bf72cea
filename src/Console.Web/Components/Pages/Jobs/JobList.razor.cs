using DeepLab.Core.Operations;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web.Virtualization;

namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobList
{
    /// <summary>Pixels; the same as in JobList.razor.css and JobRowLine.razor.css.</summary>
    private const int WideRow = 52;
    private const int NarrowRow = 86;
    private static readonly TimeSpan s_typing = TimeSpan.FromMilliseconds(250);
    private JobListAddress _address = JobListAddress.From(null, null, null, null);
    private Virtualize<JobRow>? _list;
    private int? _total;
    private CancellationTokenSource? _later;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    [SupplyParameterFromQuery(Name = "q")]
    public string? Search { get; set; }

    [SupplyParameterFromQuery]
    public string? State { get; set; }

    [SupplyParameterFromQuery]
    public string? Owner { get; set; }

    [SupplyParameterFromQuery]
    public string? Host { get; set; }

    protected override Task OnInitializedAsync() => OpenAsync();

    protected override async Task OnParametersSetAsync()
    {
        var address = JobListAddress.From(Search, State, Owner, Host);
        if (Board is not null && (address != _address || Board.Filter != address.Filter))
        {
            _address = address;
            Board.Filter = address.Filter;
            await RefreshAsync();
        }
    }

    protected override Task OnBoardChangedAsync() => RefreshAsync();

    private Task RefreshAsync() => _list?.RefreshDataAsync() ?? Task.CompletedTask;

    private async ValueTask<ItemsProviderResult<JobRow>> LoadAsync(ItemsProviderRequest request)
    {
        if (Board is not { } board)
        {
            return new ItemsProviderResult<JobRow>([], 0);
        }
        board.Filter = _address.Filter;
        var (rows, total) = await board.WindowAsync(request.StartIndex, request.Count, request.CancellationToken);
        if (_total != total)
        {
            _total = total;
            StateHasChanged();
        }
        return new ItemsProviderResult<JobRow>(rows, total);
    }

    private bool IsGroup(string key) => string.Equals(_address.State ?? "", key, StringComparison.OrdinalIgnoreCase);

    private static string? Text(ChangeEventArgs e) =>
        string.IsNullOrWhiteSpace(e.Value as string) ? null : (string)e.Value;

    private void Go(JobListAddress address) => Navigation.NavigateTo(address.ToUri(), replace: true);

    /// <summary>Goes there once the typing has paused.</summary>
    private async Task Later(JobListAddress address)
    {
        _address = address;
        if (_later is { } earlier)
        {
            await earlier.CancelAsync();
        }
        using var mine = _later = new CancellationTokenSource();
        try
        {
            await Task.Delay(s_typing, Time, mine.Token);
            Go(address);
        }
        catch (OperationCanceledException) when (mine.IsCancellationRequested)
        {
            // More was typed
        }
        finally
        {
            if (_later == mine)
            {
                _later = null;
            }
        }
    }
}
