using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace DeepLab.Browser.Tests;

/// <summary>One person's browser window. It remembers every error and every request that left the console.</summary>
public sealed class Visit : IAsyncDisposable
{
    private readonly ConsoleProcess _console;
    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    public Visit(ConsoleProcess console, IBrowserContext context, IPage page)
    {
        (_console, _context, Page) = (console, context, page);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                Complain($"{message.Type} on {page.Url}: {message.Text}");
            }
        };
        page.PageError += (_, error) => Complain($"uncaught on {page.Url}: {error}");
        page.Request += (_, request) =>
        {
            if (
                !request.Url.StartsWith(console.Address + "/", StringComparison.Ordinal)
                && !request.Url.StartsWith("data:", StringComparison.Ordinal)
                && !request.Url.StartsWith("blob:", StringComparison.Ordinal)
            )
            {
                Complain($"a request left the console: {request.Url}");
            }
        };
    }

    public IPage Page { get; }

    public async Task SignInAsync(string password = ConsoleProcess.Password, string userName = ConsoleProcess.UserName)
    {
        await Page.GotoAsync("/sign-in");
        await Page.GetByLabel("User name").FillAsync(userName);
        await Page.GetByLabel("Password").FillAsync(password);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
    }

    /// <summary>Goes to a page and waits until its circuit has drawn it.</summary>
    public async Task OpenAsync(string path)
    {
        await Page.GotoAsync(path);
        await Page.Locator(".shell h1, .wall h1").First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
    }

    /// <summary>Waits until the page has an address, and says what stands on the page when it never does.</summary>
    public async Task ReachesAsync(Regex address)
    {
        try
        {
            // Asked again and again: WaitForURLAsync can miss a navigation that comes between its look and its wait
            await Assertions.Expect(Page).ToHaveURLAsync(address, new() { Timeout = 30_000 });
        }
        catch (PlaywrightException)
        {
            Assert.Fail($"at {Page.Url}, not {address}\n{Told()}\n{await Page.Locator("body").InnerTextAsync()}");
        }
    }

    /// <summary>Calls the console's API as whoever is signed in.</summary>
    public Task<IAPIResponse> CallAsync(string method, string path, object? body = null) =>
        Page.APIRequest.FetchAsync(
            $"{Address}/api/v1/{path}",
            new()
            {
                Method = method,
                DataObject = body,
                Headers = new Dictionary<string, string> { ["Origin"] = Address },
            }
        );

    /// <summary>Pixels by which the page is wider than the window.</summary>
    public Task<int> OverflowAsync() =>
        Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth");

    /// <summary>Controls that a screen reader could not name.</summary>
    public Task<string[]> NamelessAsync() =>
        Page.EvaluateAsync<string[]>(
            """
            () => [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, textarea')]
              .filter(e => e.offsetParent !== null)
              .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title || (e.labels && e.labels.length)))
              .map(e => e.outerHTML.slice(0, 200))
            """
        );

    public Task ShootAsync(string name) => Page.ScreenshotAsync(new() { Path = PictureOf(name) });

    public static string PictureOf(string name) => Path.Combine(Screenshots(), name + ".png");

    /// <summary>Asserts that nothing was complained of so far.</summary>
    public void AssertQuiet()
    {
        lock (_complaints)
        {
            Assert.True(_complaints.Count == 0, Told());
        }
    }

    /// <summary>What the browser complained of, and what the console said lately.</summary>
    private string Told()
    {
        lock (_complaints)
        {
            return $"{string.Join('\n', _complaints)}\nthe console's log ends so:\n{_console.LastWords()}";
        }
    }

    public void Forget()
    {
        lock (_complaints)
        {
            _complaints.Clear();
        }
    }

    public string Address => _console.Address;

    private void Complain(string what)
    {
        lock (_complaints)
        {
            _complaints.Add(what);
        }
    }

    private static string Screenshots() =>
        Directory
            .CreateDirectory(
                Environment.GetEnvironmentVariable("DEEPLAB_TEST_SCREENSHOTS") is { Length: > 0 } folder
                    ? folder
                    : Path.Combine(AppContext.BaseDirectory, "screenshots")
            )
            .FullName;

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
