using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>What a person does in an environment: a cell of a notebook, a line in a terminal.</summary>
internal static class Notebooks
{
    private static readonly LocatorAssertionsToContainTextOptions s_slow = new() { Timeout = 60_000 };

    /// <summary>Opens JupyterLab from the environment's page, in its own origin, and runs one cell of a new notebook.</summary>
    public static async Task RunCellAsync(this IPage console, string code, string says, Func<IPage, Task> look)
    {
        var lab = await console.RunAndWaitForPopupAsync(() =>
            console.GetByRole(AriaRole.Link, new() { Name = "Open Jupyter" }).ClickAsync()
        );
        lab.SetDefaultTimeout(60_000);
        await lab.Locator(".jp-LauncherCard[data-category='Notebook']").First.ClickAsync();
        Assert.NotEqual(new Uri(console.Url).Authority, new Uri(lab.Url).Authority);
        await lab.Locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
            .First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
        // A new notebook that is read back while one types is as it was: a person sees that, and types again
        var prompt = lab.Locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").First;
        for (var (tries, runs) = (0, false); !runs && tries < 10; tries++)
        {
            await lab.Locator(".jp-Notebook .jp-CodeCell .cm-content").First.ClickAsync();
            await lab.Keyboard.PressAsync("Control+A");
            await lab.Keyboard.InsertTextAsync(code);
            await lab.Keyboard.PressAsync("Control+Enter");
            runs = await RunsAsync(prompt);
        }
        await Expect(lab.Locator(".jp-OutputArea-output").First).ToContainTextAsync(says, s_slow);
        await look(lab);
        await lab.CloseAsync();
    }

    /// <summary>A cell that was not run has no number, one that runs has a star.</summary>
    private static async Task<bool> RunsAsync(ILocator prompt)
    {
        try
        {
            await Expect(prompt).Not.ToHaveTextAsync(new Regex(@"^\[\s\]:$"), new() { Timeout = 2000 });
            return true;
        }
        catch (PlaywrightException)
        {
            return false;
        }
    }

    /// <summary>Goes to the tab of terminals and returns when a shell asks for a line.</summary>
    public static async Task OpenTerminalAsync(this IPage page)
    {
        await page.GetByRole(AriaRole.Tab, new() { Name = "Terminal", Exact = true }).ClickAsync();
        await Expect(page.Rows()).ToContainTextAsync(new Regex(@"[$#]\s*$"));
    }

    public static async Task TypeLineAsync(this IPage page, string line, string says)
    {
        await Expect(page.Rows()).ToContainTextAsync(new Regex(@"[$#]\s*$"));
        await page.Locator(".terminal-screen:not([hidden]) textarea").FocusAsync();
        await page.Keyboard.TypeAsync(line);
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Rows()).ToContainTextAsync(says);
    }

    /// <summary>What the terminal that is shown shows.</summary>
    public static ILocator Rows(this IPage page) => page.Locator(".terminal-screen:not([hidden]) .xterm-rows");
}
