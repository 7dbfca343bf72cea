using System.Globalization;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>Nothing freezes: the browser holds what it shows, however much there is.</summary>
public sealed class VolumeTests(ConsoleProcess console, Chromium chromium)
{
    private const int Lines = 100_000;
    private const int OldJobs = 5_000;

    [Fact]
    public async Task A_hundred_thousand_lines_are_scrolled_and_searched_and_none_becomes_markup()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.SubmitAsync(
            "wordy",
            $"#!/bin/sh\necho '<script>window.pwned=1</script><img src=x onerror=window.pwned=1>'\nseq -f 'row %.0f' 2 {Lines}\n"
        );
        await page.SeesStateAsync("Succeeded");
        await page.GetByRole(AriaRole.Tab, new() { Name = "Logs" }).ClickAsync();
        var log = page.GetByRole(AriaRole.Log);
        await Expect(page.GetByText($"{Lines:N0} lines")).ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
        // It stands at the end, where the news is
        await Expect(log).ToContainTextAsync($"row {Lines}");

        await log.EvaluateAsync("e => { e.scrollTop = 50000 * 19; }");
        await Expect(log).ToContainTextAsync("row 50001");
        Assert.InRange(await log.Locator(".line").CountAsync(), 20, 300);
        await log.EvaluateAsync("e => { e.scrollTop = 0; }");
        await Expect(log).ToContainTextAsync("<script>window.pwned=1</script>");
        Assert.False(await page.EvaluateAsync<bool>("() => 'pwned' in window"));

        await page.GetByLabel("Search the log").FillAsync("row 77777");
        await Expect(page.GetByText("1 of 1", new() { Exact = true })).ToBeVisibleAsync();
        await Expect(log.Locator("mark")).ToHaveTextAsync("row 77777");
        visit.AssertQuiet();
    }

    [Fact]
    public async Task Five_thousand_jobs_are_one_list()
    {
        await console.RunSqlAsync(
            $$$"""
            insert into workloads (kind, name, owner_id, owner_name, cluster_id, spec_json, spec_hash, priority, gpus_asked,
              gpus_held, desired, state, reason, message, waits, host_name, restarts, submitted_at, queued_at, started_at,
              ended_at, last_event_seq)
            select 'Job', 'old-' || i, u.id, u.user_name, c.id, '{"name":"old","cluster":"local","image":"base","roles":[{"name":"worker","replicas":1,"command":[],"resources":{"gpus":0,"cpus":1,"memory":"1GiB","shm":"256MiB"}}],"env":{},"restart":{"maxRestarts":0},"priority":50}',
              'x', 50, 0, 0, 'Run', (array['Succeeded', 'Failed', 'Stopped'])[1 + i % 3], 'Completed', 'ended', '[]',
              'elsewhere', 0, now() - interval '9 days', now() - interval '9 days', now() - interval '9 days', now() - interval '8 days', 0
            from generate_series(1, {{{OldJobs}}}) i, clusters c, users u where u.user_name = 'admin'
            """
        );
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/jobs?host=elsewhere");
        await Expect(page.GetByText($"{OldJobs.ToString("N0", CultureInfo.InvariantCulture)} jobs")).ToBeVisibleAsync();
        var rows = page.Locator("main .row .name > a");
        await Expect(rows.First).ToHaveTextAsync($"old-{OldJobs}");

        await page.EvaluateAsync("() => window.scrollTo(0, document.documentElement.scrollHeight)");

        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "old-1", Exact = true })).ToBeVisibleAsync();
        Assert.InRange(await rows.CountAsync(), 10, 90);
        Assert.Equal(
            52,
            await page.Locator("main .row:has(.name)").First.EvaluateAsync<int>("e => e.getBoundingClientRect().height")
        );
        visit.AssertQuiet();
    }
}
