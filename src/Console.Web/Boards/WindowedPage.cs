using DeepLab.Web.Components.Shared;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web.Virtualization;

namespace DeepLab.Web.Boards;

/// <summary>A page that is one long list: its filter is its address, and it draws the window that is looked at.</summary>
public abstract class WindowedPage<TBoard, TRow> : BoardPage<TBoard>
    where TBoard : WindowedBoard<TRow>
{
    [SupplyParameterFromQuery(Name = "q")]
    public string? Search { get; set; }

    [SupplyParameterFromQuery]
    public string? State { get; set; }

    [SupplyParameterFromQuery]
    public string? Owner { get; set; }

    [SupplyParameterFromQuery]
    public string? Host { get; set; }

    protected WorkloadListAddress Address { get; private set; } = WorkloadListAddress.From(null, null, null, null);

    /// <summary>Null until the first window came.</summary>
    protected int? Total { get; private set; }

    protected Virtualize<TRow>? List { get; set; }

    protected override Task OnInitializedAsync() => OpenAsync();

    protected override async Task OnParametersSetAsync()
    {
        var address = WorkloadListAddress.From(Search, State, Owner, Host);
        if (Board is not null && (address != Address || Board.Filter != address.Filter))
        {
            Address = address;
            Board.Filter = address.Filter;
            await RefreshAsync();
        }
    }

    protected override Task OnBoardChangedAsync() => RefreshAsync();

    private Task RefreshAsync() => List?.RefreshDataAsync() ?? Task.CompletedTask;

    protected async ValueTask<ItemsProviderResult<TRow>> LoadAsync(ItemsProviderRequest request)
    {
        if (Board is not { } board)
        {
            return new ItemsProviderResult<TRow>([], 0);
        }
        board.Filter = Address.Filter;
        var (rows, total) = await board.WindowAsync(request.StartIndex, request.Count, request.CancellationToken);
        if (Total != total)
        {
            Total = total;
            StateHasChanged();
        }
        return new ItemsProviderResult<TRow>(rows, total);
    }
}
