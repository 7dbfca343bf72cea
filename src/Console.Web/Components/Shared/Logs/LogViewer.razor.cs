using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Streams;
using DeepLab.Web.Logs;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web.Virtualization;
using Microsoft.JSInterop;

namespace DeepLab.Web.Components.Shared.Logs;

/// <summary>A log of any length: the browser holds the lines it shows, the server a few pages of them.</summary>
public sealed partial class LogViewer
{
    /// <summary>Pixels; the same as in the scoped css.</summary>
    private const int RowHeight = 19;
    private readonly CancellationTokenSource _gone = new();
    private ElementReference _box;
    private ElementReference _content;
    private Virtualize<LogLine>? _list;
    private IJSObjectReference? _scroll;
    private DotNetObjectReference<LogViewer>? _self;
    private LogSearch? _search;
    private AttemptView? _opened;
    private string _wanted = "";
    private bool _stamps;
    private bool _follow = true;
    private long? _paused;
    private long _shown = -1;

    [Parameter, EditorRequired]
    public required long JobId { get; set; }

    [Parameter, EditorRequired]
    public required string Replica { get; set; }

    [Parameter, EditorRequired]
    public required AttemptView Attempt { get; set; }

    [Inject]
    private IJSRuntime Js { get; set; } = default!;

    /// <summary>Lines that the viewer lets the reader see: all, or those at the moment of the pause.</summary>
    private long Shown => _paused ?? Board?.Lines ?? 0;

    private string PauseWord =>
        _paused is { } at ? $"Go on ({Math.Max(0, (Board?.Lines ?? at) - at):N0} new)" : "Pause";

    private string Download =>
        $"/api/v1/jobs/{JobId}/logs/download?replica={Uri.EscapeDataString(Replica)}&attempt={Attempt.Number}";

    protected override async Task OnParametersSetAsync()
    {
        if (_opened?.Id != Attempt.Id)
        {
            _opened = Attempt;
            (_paused, _follow, _search, _wanted, _shown) = (null, true, null, "", -1);
            await TellAsync();
            await OpenAsync(Attempt);
        }
    }

    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (firstRender)
        {
            _self = DotNetObjectReference.Create(this);
            await using var module = await Js.InvokeAsync<IJSObjectReference>("import", "./js/log.js");
            _scroll = await module.InvokeAsync<IJSObjectReference>("attach", _box, _content, _self);
        }
        await ShowNewAsync();
    }

    /// <summary>Brings the list to what may be seen now, one batch a render however many lines came.</summary>
    private async Task ShowNewAsync()
    {
        if (_list is null || _shown == Shown)
        {
            return;
        }
        _shown = Shown;
        await _list.RefreshDataAsync();
        // It reads anew but does not draw by itself: without this, a log that is at rest would stay empty
        StateHasChanged();
    }

    private async ValueTask<ItemsProviderResult<LogLine>> LoadAsync(ItemsProviderRequest request)
    {
        if (Board is not { } board)
        {
            return new ItemsProviderResult<LogLine>([], 0);
        }
        var total = (int)Math.Min(int.MaxValue, Shown);
        var lines = await board.Window.GetAsync(
            request.StartIndex,
            Math.Min(request.Count, Math.Max(0, total - request.StartIndex)),
            request.CancellationToken
        );
        return new ItemsProviderResult<LogLine>(lines, total);
    }

    protected override Task OnBoardChangedAsync() =>
        _search?.GoOnAsync(Board?.Lines ?? 0, _gone.Token) ?? Task.CompletedTask;

    private async Task SearchAsync()
    {
        var text = _wanted.Trim();
        if (text.Length < 2 || Board is null)
        {
            _search = null;
            return;
        }
        var search = Board.Search(text);
        var from = _scroll is null ? 0 : await _scroll.InvokeAsync<long>("topLine", RowHeight);
        await search.GoOnAsync(Board.Lines, _gone.Token);
        if (_wanted.Trim() != text)
        {
            // More was typed while this searched
            return;
        }
        search.Begin(from);
        _search = search;
        await ShowHitAsync();
    }

    private Task FindAsync(int by)
    {
        _search?.Step(by);
        return ShowHitAsync();
    }

    private async Task ShowHitAsync()
    {
        if (_search?.Current is { } line && _scroll is not null)
        {
            _follow = false;
            await _scroll.InvokeVoidAsync("toLine", line, RowHeight);
        }
    }

    private async Task FollowAsync()
    {
        (_follow, _paused) = (!_follow || Board is { Complete: true }, null);
        await TellAsync();
    }

    private Task PauseAsync()
    {
        _paused = _paused is null ? Board?.Lines : null;
        _follow = _paused is null;
        return TellAsync();
    }

    private async Task TellAsync()
    {
        if (_scroll is not null)
        {
            await _scroll.InvokeVoidAsync("follow", _follow);
        }
    }

    /// <summary>The reader scrolled to the end, or away from it.</summary>
    [JSInvokable]
    public void ReachedEnd(bool atEnd)
    {
        if (_follow != atEnd && _paused is null)
        {
            _follow = atEnd;
            StateHasChanged();
        }
    }

    private static DateTimeOffset At(LogLine line) => DateTimeOffset.UnixEpoch.AddTicks(line.UnixNanos / 100);

    private string RowClass(LogLine line) =>
        "line"
        + (
            line.IsGap ? " gap"
            : line.Stream == LogStream.Stderr ? " err"
            : ""
        )
        + (_search?.Current == line.Number ? " here" : "");

    public override async ValueTask DisposeAsync()
    {
        await _gone.CancelAsync();
        await base.DisposeAsync();
        if (_scroll is not null)
        {
            try
            {
                await _scroll.InvokeVoidAsync("dispose");
                await _scroll.DisposeAsync();
            }
            catch (JSDisconnectedException)
            {
                // The browser is gone
            }
        }
        _self?.Dispose();
        _gone.Dispose();
    }
}
