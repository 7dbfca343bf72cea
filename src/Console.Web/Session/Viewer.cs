using Microsoft.JSInterop;

namespace DeepLab.Web.Session;

/// <summary>What this circuit's browser is like: its time zone, width and theme. Loaded once by the layout.</summary>
public sealed class Viewer(IJSRuntime js, TimeProvider time) : IAsyncDisposable
{
    private IJSObjectReference? _page;
    private DotNetObjectReference<Viewer>? _self;

    public bool IsNarrow { get; private set; }
    public bool IsDark { get; private set; }

    /// <summary>`system`, `light` or `dark`</summary>
    public string Theme { get; private set; } = "system";
    public TimeZoneInfo Zone { get; private set; } = TimeZoneInfo.Utc;

    /// <summary>Width or theme changed.</summary>
    public event Action? Changed;

    public DateTimeOffset Now => time.GetUtcNow();

    public DateTimeOffset Local(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, Zone);

    /// <summary>`2026-11-23 21:04:05`, in the browser's zone.</summary>
    public string Stamp(DateTimeOffset at) => $"{Local(at):yyyy-MM-dd HH:mm:ss}";

    /// <summary>As <see cref="Stamp"/> with milliseconds and the offset, for tooltips.</summary>
    public string ExactStamp(DateTimeOffset at) => $"{Local(at):yyyy-MM-dd HH:mm:ss.fff zzz}";

    public async Task StartAsync()
    {
        _page = await js.InvokeAsync<IJSObjectReference>("import", "./js/page.js");
        _self = DotNetObjectReference.Create(this);
        var facts = await _page.InvokeAsync<Facts>("start", _self, Now.ToUnixTimeMilliseconds());
        Zone = TimeZoneInfo.TryFindSystemTimeZoneById(facts.Zone, out var zone) ? zone : TimeZoneInfo.Utc;
        (IsNarrow, IsDark, Theme) = (facts.Narrow, facts.Dark, facts.Theme);
    }

    public async Task SetThemeAsync(string theme)
    {
        if (_page is not null)
        {
            Theme = theme;
            await _page.InvokeVoidAsync("setTheme", theme);
        }
    }

    public async Task CopyAsync(string text)
    {
        if (_page is not null)
        {
            await _page.InvokeVoidAsync("copy", text);
        }
    }

    [JSInvokable]
    public void Sees(bool narrow, bool dark)
    {
        (IsNarrow, IsDark) = (narrow, dark);
        Changed?.Invoke();
    }

    public async ValueTask DisposeAsync()
    {
        _self?.Dispose();
        if (_page is not null)
        {
            try
            {
                await _page.DisposeAsync();
            }
            catch (JSDisconnectedException)
            {
                // The browser is gone and took the module with it
            }
        }
    }

    private sealed record Facts(string Zone, bool Narrow, bool Dark, string Theme);
}
