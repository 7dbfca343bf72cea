using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;

namespace DeepLab.Web.Charts;

/// <summary>Draws a <see cref="ChartModel"/>: all of its points once, then what it is told. Never renders again by itself.</summary>
public sealed partial class LineChart : IAsyncDisposable
{
    private ElementReference _plot;
    private IJSObjectReference? _chart;
    private DotNetObjectReference<LineChart>? _self;
    private ChartModel? _drawn;
    private bool _gone;

    [Parameter, EditorRequired]
    public required ChartModel Model { get; set; }

    /// <summary>Smoothing of the drawn lines, 0 (none) to 0.99.</summary>
    [Parameter]
    public double Smoothing { get; set; }

    [Parameter]
    public bool Logarithmic { get; set; }

    /// <summary>Charts of one group share their cursor.</summary>
    [Parameter]
    public string? Group { get; set; }

    /// <summary>To be read from afar: as high as its place, with large letters and thick lines.</summary>
    [Parameter]
    public bool Large { get; set; }

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            _self = DotNetObjectReference.Create(this);
            await using var module = await Js.InvokeAsync<IJSObjectReference>("import", "./js/charts.js");
            _chart = await module.InvokeAsync<IJSObjectReference>("create", _plot, _self);
        }
        if (_chart is null || _gone)
        {
            return;
        }
        if (_drawn != Model)
        {
            Leave();
            _drawn = Model;
            Model.Redrawn += RedrawAsync;
            Model.Appended += AppendAsync;
            await DrawAsync();
        }
        else
        {
            await _chart.InvokeVoidAsync("look", Smoothing, Logarithmic);
        }
    }

    /// <summary>The reader chose a part of x to see.</summary>
    [JSInvokable]
    public Task<byte[]> CloserAsync(double from, double to) =>
        _drawn?.Closer is { } read && from < to ? read(from, to, CancellationToken.None) : Task.FromResult<byte[]>([]);

    private Task RedrawAsync() => InvokeAsync(DrawAsync);

    private async Task DrawAsync()
    {
        if (_chart is not null && _drawn is not null && !_gone)
        {
            var options = new
            {
                title = _drawn.Title,
                large = Large,
                unit = _drawn.Unit.ToString(),
                byStep = _drawn.ByStep,
                lines = _drawn.Lines,
                group = Group,
                smoothing = Smoothing,
                logarithmic = Logarithmic,
            };
            await _chart.InvokeVoidAsync("draw", options, _drawn.Everything());
        }
    }

    private Task AppendAsync(byte[] points) =>
        InvokeAsync(async () =>
        {
            if (_chart is not null && !_gone)
            {
                await _chart.InvokeVoidAsync("append", points);
            }
        });

    private void Leave()
    {
        if (_drawn is { } drawn)
        {
            drawn.Redrawn -= RedrawAsync;
            drawn.Appended -= AppendAsync;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _gone = true;
        Leave();
        if (_chart is not null)
        {
            try
            {
                await _chart.InvokeVoidAsync("dispose");
                await _chart.DisposeAsync();
            }
            catch (JSDisconnectedException)
            {
                // The browser is gone
            }
        }
        _self?.Dispose();
    }
}
