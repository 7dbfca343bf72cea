using System.Text.RegularExpressions;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>Curves as files and pictures, under each other on one axis, and on a lab's wall.</summary>
public sealed class ChartTests(ConsoleProcess console, Chromium chromium)
{
    private const int Steps = 40;

    /// <summary>It writes a curve by its log, and goes on until it is told to end.</summary>
    private static async Task<long> CurvesAsync(Visit visit, string name, int seconds)
    {
        await visit.OpenAsync("/");
        var answer = await visit.CallAsync(
            "POST",
            "jobs",
            new
            {
                name,
                image = "base",
                script = $"#!/bin/sh\nfor i in $(seq 1 {Steps}); do echo step=$i loss=0.$((90 - i)); done\nsleep {seconds}\n",
                metrics = new { },
                roles = new[] { new { name = "worker", resources = new { cpus = 0.1 } } },
            }
        );
        Assert.True(answer.Ok, await answer.TextAsync());
        return (await answer.JsonAsync())!.Value.GetProperty("id").GetInt64();
    }

    [Fact]
    public async Task A_chart_is_saved_as_csv_and_png_and_machines_stand_on_its_axis()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        var id = await CurvesAsync(visit, "charted", 20);
        await visit.OpenAsync($"/jobs/{id}?tab=curves");
        var chart = page.Locator("figure.chart").Filter(new() { HasText = "loss" });
        await Expect(chart.Locator("canvas")).ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });

        var menu = page.GetByLabel("Save the chart loss");
        await menu.ClickAsync();
        var csv = await page.RunAndWaitForDownloadAsync(() => chart.GetByText("Every point as CSV").ClickAsync());
        Assert.Equal($"job-{id}.csv", csv.SuggestedFilename);
        var lines = await File.ReadAllLinesAsync(await csv.PathAsync());
        Assert.Equal("name,source,step,time,value", lines[0]);
        Assert.Equal(Steps, lines.Length - 1);
        Assert.Matches(@"^loss,worker-0/1/log,1,[^,]+,0\.89$", lines[1]);

        await menu.ClickAsync();
        var png = await page.RunAndWaitForDownloadAsync(() => chart.GetByText("What is shown as PNG").ClickAsync());
        Assert.Equal("loss.png", png.SuggestedFilename);
        var picture = await File.ReadAllBytesAsync(await png.PathAsync());
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], picture[..4]);
        File.Copy(await png.PathAsync(), Visit.PictureOf("chart-saved"), overwrite: true);
        await Expect(chart.Locator("details")).Not.ToHaveAttributeAsync("open", "");

        await page.GetByRole(AriaRole.Button, new() { Name = "By time" }).ClickAsync();
        var cpu = page.Locator("figure.chart").Filter(new() { HasText = "CPU, cores" });
        await Expect(cpu.Locator("canvas")).ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
        await page.SeesStateAsync("Succeeded");

        await visit.OpenAsync($"/jobs/{id}");
        var receipt = page.GetByRole(AriaRole.Region, new() { Name = "Receipt" });
        await Expect(receipt).ToContainTextAsync("where its time went");
        await Expect(receipt).ToContainTextAsync(new Regex(@"Idle\s*[12]\d s"));
        visit.AssertQuiet();
    }

    [Fact]
    public async Task A_wall_shows_chosen_runs_and_comes_back_with_the_console()
    {
        await using var visit = await chromium.VisitAsync(console, 1920);
        var page = visit.Page;
        await visit.SignInAsync();
        var id = await CurvesAsync(visit, "walled", 2);
        await visit.OpenAsync($"/wall?ids={id}");
        await Expect(page.Locator(".bar, .rail")).ToHaveCountAsync(0);
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "walled" }).Locator("canvas"))
            .ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "GPUs" })).ToContainTextAsync("GPUs free");
        Assert.Equal(0, await visit.OverflowAsync());
        await visit.ShootAsync("wall-run");
        visit.AssertQuiet();

        await page.EvaluateAsync("() => { window.before = true; }");
        await console.RestartAsync(() => Expect(page.Locator("#components-reconnect-modal")).ToBeVisibleAsync());
        await page.WaitForFunctionAsync("() => !window.before", null, new() { Timeout = Jobs.LaunchMilliseconds });
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "walled" }).Locator("canvas"))
            .ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
        // What the browser says of the time in between
        visit.Forget();
    }

    [Fact]
    public async Task A_wall_tells_what_it_was_asked_wrongly()
    {
        await using var visit = await chromium.VisitAsync(console);
        await visit.SignInAsync();
        await visit.OpenAsync("/wall?ids=1,x");
        await Expect(visit.Page.GetByText("\"x\" is no number of a job.")).ToBeVisibleAsync();
        await visit.OpenAsync("/wall?ids=999999999");
        await Expect(visit.Page.GetByText("None of these runs can be seen")).ToBeVisibleAsync();
        visit.AssertQuiet();
    }
}
