using System.Globalization;
using System.Text;
using DeepLab.Core.Tests.Metrics;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>What a program writes beside curves, while it writes it.</summary>
public sealed class MediaTests(ConsoleProcess console, Chromium chromium)
{
    private const int Steps = 60;
    private static readonly byte[] s_picture = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    );

    [Fact]
    public async Task Histograms_images_and_texts_follow_a_running_job_on_the_open_page()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await visit.OpenAsync("/");
        var script = new StringBuilder("#!/bin/sh\nfile=\"$DEEPLAB_LOG_DIR/events.out.tfevents.1\"\n");
        for (var step = 1; step <= Steps; step++)
        {
            script.Append(
                CultureInfo.InvariantCulture,
                $"echo {Convert.ToBase64String(Written(step))} | base64 -d >> \"$file\"\nsleep 1\n"
            );
        }
        var answer = await visit.CallAsync(
            "POST",
            "jobs",
            new
            {
                name = "paints",
                image = "base",
                script = script.ToString(),
                roles = new[] { new { name = "worker", resources = new { cpus = 0.1 } } },
            }
        );
        Assert.True(answer.Ok, await answer.TextAsync());
        var id = (await answer.JsonAsync())!.Value.GetProperty("id").GetInt64();
        await visit.OpenAsync($"/jobs/{id}?tab=curves");
        await page.EvaluateAsync("() => { window.sameDocument = true; }");

        var weights = page.GetByRole(AriaRole.Region, new() { Name = "weights" });
        await Expect(weights.Locator("svg")).ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
        var (ridges, picture, words) = await SeenAsync(page);
        await page.WaitForFunctionAsync(
            $"before => window.sameDocument && {Seen}.every((step, i) => step >= before[i] + 2)",
            new[] { ridges, picture, words }
        );
        await visit.ShootAsync("media-live");
        var stop = await visit.CallAsync("POST", $"jobs/{id}/stop");
        Assert.True(stop.Ok, await stop.TextAsync());
        visit.AssertQuiet();
    }

    /// <summary>The newest step of each kind that stands on the page; the picture counts once it is painted.</summary>
    private const string Seen = """
        (() => {
          const part = name => document.querySelector(`section[aria-label="${name}"]`);
          const number = (text, of) => Number(text?.match(of)?.[1] ?? 0);
          const image = part('seen')?.querySelector('img');
          return [
            number(part('weights')?.querySelector('svg')?.getAttribute('aria-label'), / to (\d+)$/),
            image?.complete && image.naturalWidth > 0 ? number(image.src, /step=(\d+)$/) : 0,
            number(part('says')?.querySelector('pre')?.textContent, /^epoch (\d+)$/),
          ];
        })()
        """;

    private static async Task<(int Ridges, int Picture, int Words)> SeenAsync(IPage page)
    {
        await page.WaitForFunctionAsync($"() => {Seen}.every(step => step > 0)");
        var seen = await page.EvaluateAsync<int[]>($"() => {Seen}");
        return (seen[0], seen[1], seen[2]);
    }

    private static byte[] Written(int step)
    {
        double[] edges = [-1, 0, 1];
        double[] counts = [2, 5 + step, 3];
        byte[] Doubles(double[] numbers) => [.. numbers.SelectMany(BitConverter.GetBytes)];
        byte[] histogram =
        [
            .. (byte[])[0x09, .. BitConverter.GetBytes(-1.5)],
            .. (byte[])[0x11, .. BitConverter.GetBytes(1.0)],
            .. (byte[])[0x19, .. BitConverter.GetBytes(counts.Sum())],
            .. EventFileBytes.Field(6, Doubles(edges)),
            .. EventFileBytes.Field(7, Doubles(counts)),
        ];
        byte[] text =
        [
            .. EventFileBytes.Field(
                8,
                [0x08, 0x07, .. EventFileBytes.Field(8, Encoding.UTF8.GetBytes($"epoch {step}"))]
            ),
            .. EventFileBytes.Field(9, EventFileBytes.Field(1, EventFileBytes.Field(1, "text"u8.ToArray()))),
        ];
        return
        [
            .. EventFileBytes.Value("weights", step, EventFileBytes.Field(5, histogram)),
            .. EventFileBytes.Value("seen", step, EventFileBytes.Field(4, EventFileBytes.Field(4, s_picture))),
            .. EventFileBytes.Value("says", step, text),
        ];
    }
}
