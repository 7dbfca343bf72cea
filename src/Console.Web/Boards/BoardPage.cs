using DeepLab.Core.Tenancy;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Boards;

/// <summary>A component that shows a board and disposes it when it leaves the page.</summary>
public abstract class BoardPage<TBoard> : ComponentBase, IAsyncDisposable
    where TBoard : Board
{
    private static readonly bool TakesActor = typeof(TBoard)
        .GetConstructors()
        .Any(c => c.GetParameters().Any(p => p.ParameterType == typeof(Actor)));
    private bool _gone;

    [Inject]
    private IServiceProvider Services { get; set; } = default!;

    [Inject]
    protected CurrentActor CurrentActor { get; set; } = default!;

    [Inject]
    protected Viewer Viewer { get; set; } = default!;

    /// <summary>Null until the first parameters were seen.</summary>
    protected TBoard? Board { get; private set; }

    /// <summary>Replaces the board: the old one ends first.</summary>
    protected async Task OpenAsync(params object[] arguments)
    {
        await CloseAsync();
        var actor = await CurrentActor.GetAsync();
        if (_gone)
        {
            return;
        }
        // Not from the container: a circuit's scope would keep every board until the circuit ends
        Board = ActivatorUtilities.CreateInstance<TBoard>(Services, TakesActor ? [actor, .. arguments] : arguments);
        Board.Changed += RenderAsync;
        Board.Start();
    }

    /// <summary>Something of the board changed.</summary>
    protected virtual Task OnBoardChangedAsync() => Task.CompletedTask;

    private Task RenderAsync() =>
        InvokeAsync(async () =>
        {
            if (!_gone)
            {
                await OnBoardChangedAsync();
                StateHasChanged();
            }
        });

    private async Task CloseAsync()
    {
        if (Board is { } board)
        {
            Board = null;
            await board.DisposeAsync();
        }
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _gone = true;
        await CloseAsync();
    }
}
