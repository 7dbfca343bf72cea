using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

public sealed class HistoryTests(ConsoleProcess console, Chromium chromium)
{
    [Fact]
    public async Task A_run_is_labelled_found_by_a_saved_search_and_run_again()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        ILocator Button(string name) => page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });
        ILocator Link(string name) => page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true });
        await visit.SignInAsync();
        var id = await visit.SubmitAsync("kept", "#!/bin/sh\necho done\n");
        await page.SeesStateAsync("Succeeded");

        await Button("Add labels and notes").ClickAsync();
        await page.GetByLabel("Labels, one a line").FillAsync("two words=1");
        await Button("Save").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert).First).ToContainTextAsync("two words");
        await page.GetByLabel("Labels, one a line").FillAsync("exp=browser\nbaseline");
        await page.GetByLabel("Notes", new() { Exact = true }).FillAsync("<b>good</b>");
        await Button("Save").ClickAsync();
        await Expect(page.GetByText("<b>good</b>")).ToBeVisibleAsync();
        await Button("Pin").ClickAsync();
        await Expect(Button("Unpin")).ToBeVisibleAsync();

        await Link("exp=browser").ClickAsync();
        await Expect(Link("kept")).ToHaveCountAsync(1);
        var search = page.GetByLabel("Search: Name, number, or field:value");
        await search.FillAsync("label:baseline stat:x");
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("at character 16");
        await search.FillAsync("label:baseline pinned:yes");
        await Button("Save view").ClickAsync();
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("baselines");
        await Button("Save").ClickAsync();
        // The page is left only once the click has arrived
        await Expect(Link("baselines")).ToBeVisibleAsync();
        await visit.OpenAsync("/jobs?state=failed");
        await Link("baselines").ClickAsync();
        await Expect(Link("kept")).ToHaveCountAsync(1);
        var file = await page.RunAndWaitForDownloadAsync(() => Link("CSV").ClickAsync());
        var lines = await File.ReadAllLinesAsync(await file.PathAsync());
        Assert.StartsWith($"{id},kept,", lines[1], StringComparison.Ordinal);
        Assert.Equal(2, lines.Length);

        await Link("kept").ClickAsync();
        await Button("Run again").ClickAsync();
        await visit.ReachesAsync(new Regex($@"/jobs/(?!{id}$)\d+$"));
        await page.SeesStateAsync("Succeeded");
        await Link("compare").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Compare" })).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "What differs" })).ToBeVisibleAsync();
        visit.AssertQuiet();
    }
}
