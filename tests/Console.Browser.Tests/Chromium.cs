using Microsoft.Playwright;

namespace DeepLab.Browser.Tests;

/// <summary>The machine's own Chromium; nothing is downloaded.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions
            {
                ExecutablePath = Environment.GetEnvironmentVariable("DEEPLAB_TEST_CHROMIUM") is { Length: > 0 } path
                    ? path
                    : "/usr/bin/chromium",
                Headless = true,
                Args =
                [
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                ],
            }
        );
    }

    public async Task<Visit> VisitAsync(ConsoleProcess console, int width = 1280, bool dark = false)
    {
        var context = await _browser!.NewContextAsync(
            new BrowserNewContextOptions
            {
                BaseURL = console.Address,
                ViewportSize = new ViewportSize { Width = width, Height = width < 600 ? 844 : 860 },
                ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            }
        );
        context.SetDefaultTimeout(30_000);
        return new Visit(console, context, await context.NewPageAsync());
    }

    /// <summary>A browser without a past, for what is not the console's own pages.</summary>
    public Task<IBrowserContext> NewContextAsync() => _browser!.NewContextAsync();

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }
        _playwright?.Dispose();
    }
}
