using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

public sealed class FirstJobTests(ConsoleProcess console, Chromium chromium)
{
    [Fact]
    public async Task A_person_signs_in_makes_a_job_watches_it_end_and_finds_it_again()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await page.GotoAsync("/jobs?state=succeeded");
        await Expect(page).ToHaveURLAsync(new Regex("/sign-in"));
        await visit.SignInAsync("not the password");
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("wrong");
        await visit.SignInAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Overview" })).ToBeVisibleAsync();

        await visit.OpenAsync("/jobs/new");
        await page.GetByLabel("Name", new() { Exact = true }).FillAsync("watched");
        await page.GetByLabel("Image").FillAsync("base");
        await page.GetByLabel("Script", new() { Exact = true })
            .FillAsync(
                "#!/bin/sh\nfor i in $(seq 1 25); do printf '\\033[32mline %s\\033[0m\\n' $i; sleep 0.3; done\n"
            );
        var json = page.GetByLabel("The same as JSON");
        // The JSON follows the form a moment later: it is changed only once it holds all of it
        await Expect(json).ToHaveValueAsync(new Regex("\"name\": \"watched\"[^}]*seq 1 25"));
        await json.FillAsync(
            (await json.InputValueAsync()).Replace("\"priority\": 50", "\"priority\": 61", StringComparison.Ordinal)
        );
        await Expect(page.GetByLabel("Priority")).ToHaveValueAsync("61");
        await Expect(page.GetByText("Starts now on")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Submit" }).ClickAsync();
        await visit.ReachesAsync(new Regex(@"/jobs/\d+$"));

        await page.GetByRole(AriaRole.Tab, new() { Name = "Logs" }).ClickAsync();
        await page.EvaluateAsync("() => { window.notReloaded = true; }");
        var log = page.GetByRole(AriaRole.Log);
        await Expect(log).ToContainTextAsync("line 3", new() { Timeout = Jobs.LaunchMilliseconds });
        // It moves while it runs
        await page.SeesStateAsync("Running");
        await Expect(log).ToContainTextAsync("line 12", new() { Timeout = Jobs.LaunchMilliseconds });
        await page.SeesStateAsync("Succeeded");
        await Expect(log).ToContainTextAsync("line 25");
        await Expect(log.Locator("span.i2").First).ToHaveTextAsync("line 1");
        Assert.True(await page.EvaluateAsync<bool>("() => window.notReloaded === true"));

        await page.GetByRole(AriaRole.Link, new() { Name = "Jobs", Exact = true }).ClickAsync();
        await page.GetByLabel("Search: Name, number, or field:value").FillAsync("watch");
        await visit.ReachesAsync(new Regex(@"/jobs\?q=watch$"));
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "watched" })).ToHaveCountAsync(1);
        await page.ReloadAsync();
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "watched" })).ToHaveCountAsync(1);
        await Expect(page.GetByLabel("Search: Name, number, or field:value")).ToHaveValueAsync("watch");
        visit.AssertQuiet();
    }

    [Fact]
    public async Task A_job_is_stopped_copied_and_deleted()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        var id = await visit.SubmitAsync(
            "endless",
            "#!/bin/sh\ntrap 'exit 3' TERM\nwhile :; do echo on; sleep 0.2; done\n"
        );
        await page.SeesStateAsync("Running");

        await page.GetByRole(AriaRole.Button, new() { Name = "Stop", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop the job" }).ClickAsync();
        await page.SeesStateAsync("Stopped");

        await page.GetByRole(AriaRole.Button, new() { Name = "Clone" }).ClickAsync();
        await Expect(page.GetByLabel("Name", new() { Exact = true })).ToHaveValueAsync("endless");
        await Expect(page.GetByLabel("Script", new() { Exact = true })).ToHaveValueAsync(new Regex("trap"));

        await visit.OpenAsync($"/jobs/{id}");
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete the job" }).ClickAsync();
        await visit.ReachesAsync(new Regex("/jobs$"));
        await visit.OpenAsync($"/jobs/{id}");
        await Expect(page.GetByText($"There is no job {id}")).ToBeVisibleAsync();
        visit.AssertQuiet();
    }

    [Fact]
    public async Task Submit_stays_under_the_pointer_whatever_the_answer_is()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/jobs/new");
        var submit = page.GetByRole(AriaRole.Button, new() { Name = "Submit" });
        var answer = page.GetByRole(AriaRole.Region, new() { Name = "What will happen" });
        await Expect(answer).ToContainTextAsync(new Regex("Starts now|Waits"));
        var (place, height) = (await submit.BoundingBoxAsync(), (await answer.BoundingBoxAsync())!.Height);

        // No field of the form stands beside these errors, so the answer tells them
        await page.GetByLabel("The same as JSON").FillAsync("{ \"unheardOf\": 1, \"neither\": 2 }");

        await Expect(answer).ToContainTextAsync("neither");
        Assert.NotEqual(height, (await answer.BoundingBoxAsync())!.Height);
        var now = await submit.BoundingBoxAsync();
        Assert.Equal((place!.X, place.Y), (now!.X, now.Y));
    }

    [Fact]
    public async Task What_is_wrong_with_a_job_is_said_before_it_is_submitted()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/jobs/new");

        await page.GetByLabel("GPUs", new() { Exact = true }).FillAsync("4000");
        await page.GetByLabel("Memory", new() { Exact = true }).FillAsync("lots");

        await Expect(page.GetByLabel("GPUs", new() { Exact = true })).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(page.GetByLabel("Memory", new() { Exact = true })).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(page.GetByRole(AriaRole.List, new() { Name = "What is wrong" }).GetByRole(AriaRole.Listitem))
            .ToHaveCountAsync(2);
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Submit" })).ToBeDisabledAsync();
        visit.AssertQuiet();
    }
}
