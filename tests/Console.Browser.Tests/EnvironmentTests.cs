using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Environments;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DeepLab.Browser.Tests;

/// <summary>A person and an environment, from the wizard to its end.</summary>
public sealed class EnvironmentTests(ConsoleProcess console, Chromium chromium)
{
    private const string Password = "a password to see nowhere";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_wizard_leads_to_an_environment_on_another_host_with_its_GPUs_a_volume_a_password_and_SSH()
    {
        await using var visit = await chromium.VisitAsync(console);
        var page = visit.Page;
        await visit.SignInAsync();
        await Expect(page.Locator(".shell h1").First).ToBeVisibleAsync();
        await using var away = await AwayHost.UpAsync(visit, Ct);
        using var ssh = await SshClient.MakeAsync(Ct, "ada@laptop");
        await visit.OpenAsync("/environments");
        await page.GetByRole(AriaRole.Link, new() { Name = "New environment" }).First.ClickAsync();
        await page.GetByRole(AriaRole.Radio, new() { Name = AwayHost.Cluster }).CheckAsync(new() { Force = true });
        await NextAsync(page);
        await page.GetByRole(AriaRole.Textbox, new() { Name = "Name", Exact = true }).FillAsync("Not A Name");
        await NextAsync(page);
        await Expect(page.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Textbox, new() { Name = "Name", Exact = true }).FillAsync("browsed");
        await NextAsync(page);
        await Expect(page.GetByRole(AriaRole.Radio, new() { Name = "PyTorch" })).ToBeCheckedAsync();
        await NextAsync(page);
        await page.GetByRole(AriaRole.Button, new() { Name = "2", Exact = true }).ClickAsync();
        await page.GetByLabel("CPUs", new() { Exact = true }).FillAsync("0.5");
        await page.GetByLabel("Memory", new() { Exact = true }).FillAsync("512MiB");
        await NextAsync(page);
        await page.GetByRole(AriaRole.Region, new() { Name = "Data volumes" })
            .GetByRole(AriaRole.Button, new() { Name = "Add", Exact = true })
            .ClickAsync();
        await page.GetByRole(AriaRole.Combobox, new() { Name = "Volume" }).SelectOptionAsync(AwayHost.Volume);
        await page.GetByLabel($"Path of {AwayHost.Volume} in the container").FillAsync("/results");
        await NextAsync(page);
        await Expect(page.GetByRole(AriaRole.Checkbox, new() { Name = "TensorBoard" })).ToBeDisabledAsync();
        await page.GetByText("Also a password of your own").ClickAsync();
        await page.GetByLabel("Jupyter password").FillAsync(Password);
        await page.GetByRole(AriaRole.Checkbox, new() { Name = "ssh" }).CheckAsync();
        await page.GetByLabel("Public SSH key").FillAsync(ssh.PublicKey);
        await page.GetByRole(AriaRole.Button, new() { Name = "Keep the key" }).ClickAsync();
        await Expect(page.GetByText("ada@laptop")).ToBeVisibleAsync();
        await NextAsync(page);

        // The address is the wizard: back and forth, and the answers are there
        await Expect(page).ToHaveURLAsync(new Regex("step=review.*name=browsed"));
        Assert.DoesNotContain("nowhere", page.Url, StringComparison.Ordinal);
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "As JSON" })).ToContainTextAsync("browsed");
        await Expect(page.Locator("main")).Not.ToContainTextAsync("nowhere");
        await page.GoBackAsync();
        await Expect(page.GetByLabel("Jupyter password")).ToHaveValueAsync(Password);
        await NextAsync(page);
        await Expect(page.GetByText("Starts now on")).ToBeVisibleAsync();
        await visit.ShootAsync("environment-new");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create environment" }).ClickAsync();

        await visit.ReachesAsync(new Regex(@"/environments/\d+$"));
        await page.SeesStateAsync("Running");
        var id = page.Url.Split('/')[^1];
        var open = page.GetByRole(AriaRole.Link, new() { Name = "Open Jupyter" });
        await Expect(open).ToHaveAttributeAsync("href", $"/open/{id}/jupyter");
        var line = page.GetByText(new Regex(@"^ssh -p \d+ lab@[0-9.]+$"));
        await Expect(line).ToBeVisibleAsync();
        await SshAsync(ssh, long.Parse(id, CultureInfo.InvariantCulture), await line.InnerTextAsync());
        await visit.ShootAsync("environment");
        Assert.Equal(0, await visit.OverflowAsync());
        Assert.Empty(await visit.NamelessAsync());

        await page.RunCellAsync(
            "import torch, pathlib; pathlib.Path('kept.txt').write_text('kept by the home'); pathlib.Path('/results/kept.txt').write_text('x'); print(torch.arange(101).sum().item())",
            "5050",
            lab => lab.ScreenshotAsync(new() { Path = Visit.PictureOf("jupyter") })
        );
        await TerminalAsync(visit);

        // What names it by its number alone finds it as well
        await visit.OpenAsync($"/jobs/{id}?tab=spec");
        await Expect(page).ToHaveURLAsync(new Regex($"/environments/{id}\\?tab=spec"));

        await visit.OpenAsync("/environments");
        await StopAsync(page);
        await page.GetByRole(AriaRole.Button, new() { Name = "Start browsed" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "browsed", Exact = true }).ClickAsync();
        await page.SeesStateAsync("Running");
        await page.OpenTerminalAsync();
        await page.TypeLineAsync("ls /results; cat ~/kept.txt", "kept.txt");
        await Expect(page.Rows()).ToContainTextAsync("kept by the home");
        await visit.OpenAsync("/environments");
        await StopAsync(page);
        await page.GetByRole(AriaRole.Link, new() { Name = "browsed", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();
        await page.GetByText("is deleted too").ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete it and its home" }).ClickAsync();
        await Expect(page.GetByText("No environments yet")).ToBeVisibleAsync();
        visit.AssertQuiet();
        await away.LeaveAsync();
    }

    /// <summary>
    /// The line that the page offers, with the key that the wizard was given: it is the machine with both GPUs, takes a file,
    /// and its Jupyter, reached this way, asks for the password.
    /// </summary>
    private static async Task SshAsync(SshClient ssh, long id, string line)
    {
        var words = line.Split(' ');
        var door = new SshDoor(id, words[3], int.Parse(words[2], CultureInfo.InvariantCulture));
        await ssh.UntilInAsync(door, Ct);
        var gpus = await ssh.RunAsync(door, "nvidia-smi -L", Ct);
        Assert.Equal(2, gpus.Split('\n').Count(l => l.Contains("UUID: GPU-", StringComparison.Ordinal)));
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "by scp", Ct);
        await ssh.CopyAsync(door, file, "copied.txt", Ct);
        await ssh.FetchAsync(door, "copied.txt", file + ".back", Ct);
        Assert.Equal("by scp", await File.ReadAllTextAsync(file + ".back", Ct));
        File.Delete(file);
        File.Delete(file + ".back");
        await ssh.ThroughAsync(
            door,
            EnvironmentSpec.JupyterPort,
            async http =>
            {
                Assert.Equal(HttpStatusCode.Unauthorized, await SignInAsync(http, id, "another password"));
                Assert.Equal(HttpStatusCode.Found, await SignInAsync(http, id, Password));
            },
            Ct
        );
    }

    private static async Task<HttpStatusCode> SignInAsync(HttpClient http, long id, string password)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"e/{id}/jupyter/login");
        request.Headers.Add("Cookie", "_xsrf=x");
        request.Headers.Add("X-XSRFToken", "x");
        request.Content = new FormUrlEncodedContent([new("password", password)]);
        using var answer = await http.SendAsync(request, Ct);
        return answer.StatusCode;
    }

    private static async Task TerminalAsync(Visit visit)
    {
        var page = visit.Page;
        await page.OpenTerminalAsync();
        await page.TypeLineAsync("echo =$((6 * 7))= größe", "=42= größe");
        await page.ReloadAsync();
        await Expect(page.Rows()).ToContainTextAsync("=42= größe");
        await Expect(page.Locator(".terminal-tab")).ToHaveCountAsync(1);

        // What a program says is drawn, and does nothing to the page
        var title = await page.TitleAsync();
        await page.TypeLineAsync(
            """printf '\e]0;owned\a\e]52;c;b3duZWQ=\a\e]8;;javascript:document.title=1\aa-link\e]8;;\a\e[8;5;5t=%s=\n' said""",
            "=said="
        );
        await page.GetByText("a-link=said=")
            .Last.ClickAsync(
                new()
                {
                    Modifiers = [KeyboardModifier.Control],
                    Position = new() { X = 12, Y = 8 },
                    Force = true,
                }
            );
        Assert.Equal(title, await page.TitleAsync());
        Assert.Single(page.Context.Pages);

        await page.GetByRole(AriaRole.Button, new() { Name = "New terminal" }).ClickAsync();
        await Expect(page.Locator(".terminal-tab")).ToHaveCountAsync(2);
        await page.TypeLineAsync("echo =$((7 * 7))=", "=49=");
        await page.GetByRole(AriaRole.Tab, new() { Name = "environment-0 · 1" }).ClickAsync();
        await Expect(page.Rows()).ToContainTextAsync("=42= größe");
        await visit.ShootAsync("environment-terminal");
        Assert.Equal(0, await visit.OverflowAsync());
        Assert.Empty(await visit.NamelessAsync());
        await page.GetByRole(AriaRole.Button, new() { Name = "Close environment-0 · 1" }).ClickAsync();
        await Expect(page.Rows()).ToContainTextAsync("=49=");
    }

    private static async Task StopAsync(IPage page)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop browsed" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop it" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Start browsed" }))
            .ToBeVisibleAsync(new() { Timeout = Jobs.LaunchMilliseconds });
    }

    private static Task NextAsync(IPage page) =>
        page.GetByRole(AriaRole.Button, new() { Name = "Next", Exact = true }).ClickAsync();
}
