using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace DeepLab.Browser.Tests;

/// <summary>What a person does with jobs.</summary>
internal static class Jobs
{
    /// <summary>Long enough for an engine under load to make a container.</summary>
    public const float LaunchMilliseconds = 120_000;

    /// <summary>Writes a script job into the form and submits it.</summary>
    /// <returns>its number</returns>
    public static async Task<long> SubmitAsync(this Visit visit, string name, string script)
    {
        await visit.OpenAsync("/jobs/new");
        var page = visit.Page;
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync(name);
        await page.GetByLabel("Image").FillAsync("base");
        await page.GetByLabel("Script", new() { Exact = true }).FillAsync(script);
        await Assertions.Expect(page.GetByLabel("The same as JSON")).ToHaveValueAsync(new Regex(name));
        await page.GetByRole(AriaRole.Button, new() { Name = "Submit" }).ClickAsync();
        await visit.ReachesAsync(new Regex(@"/jobs/\d+$"));
        return long.Parse(page.Url.Split('/')[^1], CultureInfo.InvariantCulture);
    }

    public static ILocator StateChip(this IPage page) => page.Locator("h1 ~ .chip").First;

    public static Task SeesStateAsync(this IPage page, string state) =>
        Assertions.Expect(page.StateChip()).ToHaveTextAsync(state, new() { Timeout = LaunchMilliseconds });
}
