using DeepLab.Core.Engines;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Environments;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Images;

/// <summary>All tests of images share one console.</summary>
[CollectionDefinition(nameof(ImageConsole))]
public sealed class ImageCollection : ICollectionFixture<ImageConsole>;

/// <summary>A console with two hosts, whose tasks with images run when a test says so, and which leaves no image behind.</summary>
public sealed class ImageConsole : IAsyncLifetime
{
    public const string Here = "local";
    public const string There = "there";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public EnvironmentConsole Lab { get; } = new();
    public LabHost Other { get; private set; } = null!;
    public ConsoleHarness Console => Lab.Console;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Lab.InitializeAsync();
        Other = await LabHost.UpAsync(1, Ct);
        Assert.IsType<Outcome<string>.Done>(
            await Get<AddHost>()
                .RunAsync(
                    ConsoleHarness.Admin,
                    new NewHost(
                        There,
                        "local",
                        Other.Address,
                        new CredentialInput(null, null, null),
                        new Dictionary<string, string>(),
                        await EnvironmentConsole.AddressAsync(Other.Address)
                    ),
                    Ct
                )
        );
        await Console.UntilAsync(
            db => db.Hosts.AnyAsync(h => h.Name == There && h.Preflight != null && h.Images.Length > 0, Ct),
            s_patience,
            Ct
        );
    }

    public T Get<T>()
        where T : notnull => Console.Services.GetRequiredService<T>();

    public static JobSpec On(string host, string name, string image = "pytorch-cpu") =>
        EnvironmentConsole.Spec(name, new EnvironmentSpec(), image: image) with
        {
            Placement = new PlacementSpec { OnlyHosts = [host] },
        };

    /// <summary>Does a task's work in this process, as a worker would, and answers how it ended.</summary>
    public async Task<ImageTaskView> RunAsync(long task)
    {
        await Get<ImageTasks>().RunAsync(task, Ct);
        var found = await Get<ImageQueries>().FindTaskAsync(ConsoleHarness.Admin, task, Ct);
        Assert.NotNull(found);
        return found;
    }

    public async Task<ImageView> SnapshotAsync(long environment, string name)
    {
        var begun = Assert.IsType<Outcome<ImageTaskView>.Done>(
            await Get<SnapshotEnvironment>()
                .RunAsync(ConsoleHarness.Admin, environment, new SnapshotInput(name, "2"), Ct)
        );
        var ended = await RunAsync(begun.Value.Id);
        Assert.Equal((ImageTaskState.Succeeded, "done"), (ended.State, ended.Message));
        return await ImageAsync(name);
    }

    public async Task<ImageView> ImageAsync(string name)
    {
        var image = await Get<ImageQueries>().FindAsync(ConsoleHarness.Admin, name, Ct);
        Assert.NotNull(image);
        return image;
    }

    /// <summary>Runs a shell line in an environment's container, as its user.</summary>
    public async Task<string> InsideAsync(EnvironmentDetail found, string line)
    {
        var attempt = found.Job.Replicas[0].Attempts[^1];
        var engine = attempt.Host == There ? Other.Address : ConsoleHarness.Engine;
        return await Shell.DockerAsync(engine, Ct, "exec", attempt.ContainerId!, "sh", "-c", line);
    }

    public async ValueTask DisposeAsync()
    {
        var install = Lab.InstallId;
        await Lab.DisposeAsync();
        var images = await Shell.DockerAsync(
            ConsoleHarness.Engine,
            Ct,
            "images",
            "-q",
            "--filter",
            $"label={ImageLabels.Install}={install}"
        );
        foreach (var id in images.Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct())
        {
            await Shell.DockerAsync(ConsoleHarness.Engine, Ct, "rmi", "-f", id);
        }
        await Other.DisposeAsync();
    }
}
