using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using DeepLab.Api.Auth;
using DeepLab.Api.Tests;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Environments;
using DeepLab.Engine.Tests.Faults;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.TensorBoards;

/// <summary>A console with its loop, its API and its gateway, and an image that has a `tensorboard`.</summary>
public sealed class BoardConsole : IAsyncLifetime
{
    public static TimeSpan IdleAfter { get; } = TimeSpan.FromSeconds(10);
    public const string Image = "with-tensorboard";
    private WebApplication _api = null!;
    private string _token = "";

    public ConsoleHarness Console { get; private set; } = null!;
    public HttpClient Http { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
    public string InstallId => Console.Services.GetRequiredService<InstallationId>().Value;
    public IContainerEngine Engine => Console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var gateway = new Uri($"http://127.0.0.1:{TestPorts.Free()}");
        Console = await ConsoleHarness.StartAsync(
            Ct,
            o =>
                o with
                {
                    Ports = new PortRange(21400, 21409),
                    IdleAfter = IdleAfter,
                    Gateway = ApiHost.At(gateway),
                    FirstPassword = ApiHost.Password,
                }
        );
        var address = await EnvironmentConsole.AddressAsync();
        await using (var db = await Console.DbAsync(Ct))
        {
            await db.Hosts.ExecuteUpdateAsync(s => s.SetProperty(h => h.NetworkAddress, address), Ct);
        }
        _api = ApiHost.Build(Console.Options);
        await _api.Services.GetRequiredService<Bootstrap>().RunAsync(Ct);
        await _api.Services.GetRequiredService<FirstAdmin>().RunAsync(Ct);
        await _api.StartAsync(Ct);
        Http.BaseAddress = new Uri(_api.Urls.First());
        using var signIn = await Http.PostAsJsonAsync(
            "/api/v1/session",
            new { userName = "admin", password = ApiHost.Password },
            Ct
        );
        _token = (await signIn.Content.ReadFromJsonAsync<JsonElement>(Ct)).GetProperty("token").GetString()!;
    }

    /// <summary>Builds the image by a Dockerfile, as an admin does.</summary>
    public async Task BuildImageAsync()
    {
        var program = Convert.ToBase64String(Encoding.UTF8.GetBytes(StandIn.Program));
        var begun = await Console
            .Services.GetRequiredService<BuildImage>()
            .RunAsync(
                ConsoleHarness.Admin,
                new BuildInput(
                    Image,
                    "local",
                    $"FROM deeplab/pytorch-cpu:2.6\nUSER root\nRUN echo {program} | base64 -d > /usr/local/bin/tensorboard && chmod 755 /usr/local/bin/tensorboard\nUSER 1000:1000\n",
                    Features: [Endpoint.TensorBoard]
                ),
                Ct
            );
        var task = Assert.IsType<Outcome<ImageTaskView>.Done>(begun).Value.Id;
        await Console.Services.GetRequiredService<ImageTasks>().RunAsync(task, Ct);
        var ended = await Console
            .Services.GetRequiredService<ImageQueries>()
            .FindTaskAsync(ConsoleHarness.Admin, task, Ct);
        Assert.Equal((ImageTaskState.Succeeded, "done"), (ended!.State, ended.Message));
    }

    public async Task<(HttpStatusCode Status, JsonElement Answer)> SendAsync(
        HttpMethod method,
        string path,
        object? body = null
    )
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
        request.Content = body is null ? null : JsonContent.Create(body);
        using var answer = await Http.SendAsync(request, Ct);
        var text = await answer.Content.ReadAsStringAsync(Ct);
        return (answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone());
    }

    /// <summary>Goes through the gateway with a code, and answers what gets further pages there.</summary>
    public async Task<Func<string, Task<HttpResponseMessage>>> EnterAsync(long id)
    {
        var (status, opened) = await SendAsync(HttpMethod.Post, $"/api/v1/workloads/{id}/endpoints/tensorboard/open");
        Assert.Equal(HttpStatusCode.OK, status);
        var url = new Uri(opened.GetProperty("url").GetString()!);
        using var entry = await Http.GetAsync(url, Ct);
        Assert.Equal(HttpStatusCode.SeeOther, entry.StatusCode);
        var cookie = entry.Headers.GetValues("Set-Cookie").Single().Split(';')[0];
        return async path =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(url, $"/e/{id}/tensorboard/{path}"));
            request.Headers.Add("Cookie", cookie);
            return await Http.SendAsync(request, Ct);
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        Http.Dispose();
        var images = await Shell.DockerAsync(
            ConsoleHarness.Engine,
            Ct,
            "images",
            "-q",
            "--filter",
            $"label={ImageLabels.Install}={InstallId}"
        );
        foreach (var id in images.Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct())
        {
            await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "rmi", "-f", id);
        }
        await Console.DisposeAsync();
    }
}
