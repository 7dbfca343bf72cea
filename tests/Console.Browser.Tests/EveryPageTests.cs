using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>Every page at both widths, light and dark: it fits, complains of nothing, asks nobody else, and is photographed.</summary>
public sealed class EveryPageTests(ConsoleProcess console, Chromium chromium)
{
    private static long s_job;

    [Theory]
    [InlineData(1280, false)]
    [InlineData(1280, true)]
    [InlineData(390, false)]
    [InlineData(390, true)]
    public async Task Fits_and_is_quiet(int width, bool dark)
    {
        await using var visit = await chromium.VisitAsync(console, width, dark);
        var page = visit.Page;
        var look = $"{width}-{(dark ? "dark" : "light")}";
        await page.GotoAsync("/sign-in");
        Assert.Equal(0, await visit.OverflowAsync());
        await visit.ShootAsync($"sign-in-{look}");
        await visit.SignInAsync();
        var job = await JobAsync(visit);
        (string Name, string Path, string Shows)[] pages =
        [
            ("overview", "/", "[aria-label='Recently ended'] li"),
            ("jobs", "/jobs", "main .row .name"),
            ("job", $"/jobs/{job}", ".events li"),
            ("job-logs", $"/jobs/{job}?tab=logs", ".line .text"),
            ("job-curves", $"/jobs/{job}?tab=curves", ".charts canvas, .empty"),
            ("job-resources", $"/jobs/{job}?tab=resources", ".charts canvas, .empty"),
            ("job-spec", $"/jobs/{job}?tab=spec", ".spec"),
            ("compare", "/jobs/compare", ".empty"),
            ("job-receipt", $"/jobs/{job}", ".receipt .shares"),
            ("wall", "/wall", ".fleet .gpu, .fleet .sum"),
            ("job-new", "/jobs/new", ".note.ok, .note.warn"),
            ("environments", "/environments", ".empty, main .row .name"),
            ("homes", "/environments/homes", ".empty, .homes li"),
            ("environment-cluster", "/environments/new", ".card"),
            ("environment-framework", "/environments/new?step=image", ".card"),
            ("environment-resources", "/environments/new?step=resources", ".free-host"),
            ("environment-access", "/environments/new?step=access", ".access"),
            ("environment-review", "/environments/new?step=review", ".note.ok, .note.warn"),
            ("ssh-keys", "/ssh-keys", "textarea"),
            ("queue", "/queue", ".empty, .queue li"),
            ("hosts", "/hosts", $"section[aria-label='Host {ConsoleProcess.HostName}']"),
            ("host", $"/hosts/{ConsoleProcess.HostName}", ".charts canvas, .empty"),
            ("images", "/images", ".images .image"),
            ("registries", "/images/registries", ".empty, .logins li"),
            ("datasets", "/datasets", ".empty, .datasets li"),
            ("tokens", "/tokens", ".tokens li"),
            ("not-found", "/jobs/999999999", ".empty"),
        ];
        foreach (var (name, path, shows) in pages)
        {
            await visit.OpenAsync(path);
            await Expect(page.Locator(shows).First).ToBeVisibleAsync();
            await page.EvaluateAsync("() => document.fonts.ready");
            await visit.ShootAsync($"{name}-{look}");
            Assert.True(await visit.OverflowAsync() == 0, $"{name} at {look} is wider than the window.");
            Assert.Empty(await visit.NamelessAsync());
            Assert.Equal(
                dark ? "dark" : "light",
                await page.EvaluateAsync<string>("() => document.documentElement.dataset.theme")
            );
        }
        visit.AssertQuiet();
    }

    [Fact]
    public async Task The_chosen_theme_is_kept_and_the_menu_opens_on_a_phone()
    {
        await using var visit = await chromium.VisitAsync(console, 390);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/");
        await page.GetByRole(AriaRole.Button, new() { Name = "Theme" }).ClickAsync();
        await page.GetByText("Dark", new() { Exact = true }).ClickAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
        await page.ReloadAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");

        await page.GetByRole(AriaRole.Button, new() { Name = "Menu" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Hosts" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Hosts" })).ToBeVisibleAsync();
        await Expect(page.Locator(".rail")).ToBeHiddenAsync();
        visit.AssertQuiet();
    }

    [Fact]
    public async Task A_token_is_shown_once_and_revoked_and_signing_out_closes_the_door()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/tokens");
        await page.GetByLabel("Name", new() { Exact = false }).First.FillAsync("nightly");
        await page.GetByRole(AriaRole.Button, new() { Name = "Make the token" }).ClickAsync();
        var secret = await page.GetByTestId("secret").InnerTextAsync();
        Assert.StartsWith("dl_", secret, StringComparison.Ordinal);
        await page.ReloadAsync();
        await Expect(page.GetByText("nightly")).ToBeVisibleAsync();
        Assert.DoesNotContain(secret, await page.ContentAsync(), StringComparison.Ordinal);
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke nightly" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke it" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Revoke nightly" })).ToHaveCountAsync(0);

        await page.GetByRole(AriaRole.Button, new() { Name = "Account of admin" }).ClickAsync();
        await page.GetByText("Sign out", new() { Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/sign-in"));
        await page.GotoAsync("/jobs");
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/sign-in"));
        visit.AssertQuiet();
    }

    /// <summary>A job that has ended, with something to see on each of its tabs; made once.</summary>
    private static async Task<long> JobAsync(Visit visit)
    {
        if (s_job == 0)
        {
            s_job = await visit.SubmitAsync(
                "pictured",
                "#!/bin/sh\nfor i in $(seq 1 60); do printf '\\033[36mepoch %2d\\033[0m  loss \\033[1m0.%03d\\033[0m\\n' $i $((900 - i * 13)); sleep 0.1; done\necho 'a warning on stderr' >&2\n"
            );
            await visit.Page.SeesStateAsync("Succeeded");
        }
        return s_job;
    }
}
