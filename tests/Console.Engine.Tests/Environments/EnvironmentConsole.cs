using System.Globalization;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Environments;

/// <summary>A console for environments with real Jupyters in them, whose host has an address of its own.</summary>
public sealed partial class EnvironmentConsole : IAsyncLifetime
{
    /// <summary>Few, so that tests meet their end and leave those of others alone.</summary>
    public static PortRange Ports { get; } = new(21000, 21009);
    private readonly List<long> _made = [];

    public ConsoleHarness Console { get; private set; } = null!;
    public HttpClient Http { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
    public string InstallId => Console.Services.GetRequiredService<InstallationId>().Value;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Console = await ConsoleHarness.StartAsync(Ct, o => o with { Ports = Ports });
        await using var db = await Console.DbAsync(Ct);
        var address = await AddressAsync();
        await db.Hosts.ExecuteUpdateAsync(s => s.SetProperty(h => h.NetworkAddress, address), Ct);
    }

    /// <summary>Of the simulated host whose engine this is; this machine's own where it is no simulated one.</summary>
    public static Task<string> AddressAsync() => AddressAsync(ConsoleHarness.Engine);

    /// <param name="engine">`unix://…`</param>
    public static async Task<string> AddressAsync(string engine)
    {
        var conf = Path.Combine(Path.GetDirectoryName(new Uri(engine).LocalPath)!, "host.conf");
        return File.Exists(conf) && Address().Match(await File.ReadAllTextAsync(conf, Ct)) is { Success: true } m
            ? m.Groups["ip"].Value
            : "127.0.0.1";
    }

    /// <summary>Made of the starter image, small.</summary>
    public static JobSpec Spec(string name, EnvironmentSpec environment, int gpus = 0, string image = "pytorch-cpu") =>
        new()
        {
            Name = name,
            Image = image,
            Roles =
            [
                new RoleSpec
                {
                    Name = EnvironmentSpec.Role,
                    Resources = new ResourcesSpec
                    {
                        Gpus = gpus,
                        Cpus = 0.5,
                        Memory = 512 << 20,
                    },
                },
            ],
            Environment = environment,
        };

    public async Task<long> CreateAsync(JobSpec spec, string? password = null)
    {
        var outcome = await Console
            .Services.GetRequiredService<SubmitJob>()
            .RunAsync(ConsoleHarness.Admin, spec, null, Ct, password);
        var id = Assert.IsType<Outcome<Submitted>.Done>(outcome).Value.Id;
        _made.Add(id);
        return id;
    }

    public async Task<EnvironmentDetail> FindAsync(long id)
    {
        var found = await Console
            .Services.GetRequiredService<EnvironmentQueries>()
            .FindAsync(ConsoleHarness.Admin, id, Ct);
        Assert.NotNull(found);
        return found;
    }

    public async Task<EnvironmentDetail> UntilAsync(long id, WorkloadState state)
    {
        try
        {
            await Console.UntilStateAsync(id, state, Ct);
        }
        catch (OperationCanceledException) when (!Ct.IsCancellationRequested)
        {
            var found = await FindAsync(id);
            Assert.Fail($"environment {id} is {found.Job.Row.State} ({found.Job.Row.Message}), not {state}");
        }
        return await FindAsync(id);
    }

    public async Task StartAsync(long id) =>
        Assert.IsType<Outcome<long>.Done>(
            await Console.Services.GetRequiredService<StartEnvironment>().RunAsync(ConsoleHarness.Admin, id, Ct)
        );

    public async Task DeleteAsync(long id, bool withHome) =>
        Assert.IsType<Outcome<long>.Done>(
            await Console
                .Services.GetRequiredService<DeleteEnvironment>()
                .RunAsync(ConsoleHarness.Admin, id, withHome, Ct)
        );

    public static Uri JupyterOf(EnvironmentDetail found)
    {
        var door = found.Endpoints.Single(e => e.Name == Endpoint.Jupyter);
        return new Uri(
            string.Create(
                CultureInfo.InvariantCulture,
                $"http://{door.Address}:{door.Port}/e/{found.Job.Row.Id}/jupyter/"
            )
        );
    }

    /// <summary>The secret that opens its Jupyter.</summary>
    public Task<string> TokenAsync(long id) =>
        Console.Services.GetRequiredService<EnvironmentTools>().TokenAsync(id, Ct);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, string? token, string? json = null)
    {
        using var request = new HttpRequestMessage(method, address);
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("token", token);
        }
        if (json is not null)
        {
            request.Content = new StringContent(json, new MediaTypeHeaderValue("application/json"));
        }
        return await Http.SendAsync(request, Ct);
    }

    /// <summary>What its engine has of volumes for the homes of this console's environments.</summary>
    public async Task<IReadOnlyList<string>> HomesAsync()
    {
        var engine = Console.Services.GetRequiredService<IEngineFactory>().Get(ConsoleHarness.Engine);
        return
        [
            .. (await engine.VolumesAsync(InstallId, Ct))
                .Where(v => v.Labels.ContainsKey(Labels.Home))
                .Select(v => v.Name),
        ];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var id in _made)
        {
            await Console.Services.GetRequiredService<StopWorkload>().RunAsync(ConsoleHarness.Admin, id, Ct);
        }
        await Console.UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, Ct), TimeSpan.FromSeconds(30), Ct);
        foreach (var home in await HomesAsync())
        {
            await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "volume", "rm", home);
        }
        Http.Dispose();
        await Console.DisposeAsync();
    }

    [GeneratedRegex("ADDRESS=\"(?<ip>[0-9.]+)\"", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Address();
}
