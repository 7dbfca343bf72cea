using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Engine.Tests;

/// <summary>The core and its loop in this process, on a database of its own and the real engine of the test machine.</summary>
public sealed class ConsoleHarness : IAsyncDisposable
{
    public static string AdminDatabase { get; } =
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_DB")
        ?? throw new InvalidOperationException("DEEPLAB_TEST_DB is not set; run the tests with ./lab test.");

    public static string Engine { get; } =
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_DOCKER")
        ?? throw new InvalidOperationException("DEEPLAB_TEST_DOCKER is not set; run the tests with ./lab test.");

    private IHost _host = null!;

    private ConsoleHarness(ConsoleOptions options) => Options = options;

    public ConsoleOptions Options { get; }
    public static Actor Admin { get; } =
        new(Guid.Parse("00000000-0000-0000-0000-000000000001"), "admin", UserRole.Admin);
    public IServiceProvider Services => _host.Services;

    public static async Task<ConsoleHarness> StartAsync(
        CancellationToken ct,
        Func<ConsoleOptions, ConsoleOptions>? change = null,
        Action<IServiceCollection>? services = null
    )
    {
        var name = $"t_{Guid.CreateVersion7():N}";
        await using (var admin = NpgsqlDataSource.Create(AdminDatabase))
        await using (var command = admin.CreateCommand($"create database {name}"))
        {
            await command.ExecuteNonQueryAsync(ct);
        }
        var options = new ConsoleOptions
        {
            Database = new NpgsqlConnectionStringBuilder(AdminDatabase) { Database = name }.ConnectionString,
            DataFolder = Directory.CreateTempSubdirectory("deeplab-test-").FullName,
            DockerHost = Engine,
        };
        var harness = new ConsoleHarness(change?.Invoke(options) ?? options);
        await harness.BootAsync(services, ct);
        return harness;
    }

    public async Task<long> SubmitAsync(JobSpec spec, CancellationToken ct)
    {
        var outcome = await Services.GetRequiredService<SubmitJob>().RunAsync(Admin, spec, null, ct);
        return outcome switch
        {
            Outcome<Submitted>.Done d => d.Value.Id,
            Outcome<Submitted>.Refused r => throw new InvalidOperationException(string.Join("; ", r.Errors)),
            _ => throw new InvalidOperationException(outcome.ToString()),
        };
    }

    public async Task StopAsync(long id, CancellationToken ct) =>
        Assert.IsType<Outcome<long>.Done>(await Services.GetRequiredService<StopWorkload>().RunAsync(Admin, id, ct));

    public Task<JobDetail> WaitForEndAsync(long id, CancellationToken ct) =>
        WaitForEndAsync(id, TimeSpan.FromSeconds(60), ct);

    public async Task<JobDetail> WaitForEndAsync(long id, TimeSpan timeout, CancellationToken ct)
    {
        var job = await Services.GetRequiredService<JobQueries>().WaitForEndAsync(Admin, id, timeout, ct);
        Assert.NotNull(job);
        Assert.True(job.Row.State.IsTerminal(), $"job {id} is {job.Row.State} ({job.Row.Message}) after {timeout}");
        return job;
    }

    /// <summary>Waits until a read of the database satisfies a condition, looking again at every change.</summary>
    public async Task UntilAsync(Func<ConsoleDb, Task<bool>> condition, TimeSpan timeout, CancellationToken ct)
    {
        using var subscription = Services.GetRequiredService<DeepLab.Core.Feeds.ChangeFeed>().Subscribe();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(timeout);
        while (true)
        {
            await using (var db = await DbAsync(ct))
            {
                if (await condition(db))
                {
                    return;
                }
            }
            await subscription.NextAsync(TimeSpan.FromSeconds(1), TimeProvider.System, deadline.Token);
        }
    }

    public Task UntilStateAsync(long id, WorkloadState state, CancellationToken ct) =>
        UntilAsync(db => db.Workloads.AnyAsync(w => w.Id == id && w.State == state, ct), TimeSpan.FromSeconds(60), ct);

    /// <summary>Waits until every container that was made for an attempt was seen gone.</summary>
    public Task UntilCleanAsync(CancellationToken ct) =>
        UntilAsync(db => db.Attempts.AllAsync(a => a.ContainerRemoved, ct), TimeSpan.FromSeconds(60), ct);

    /// <summary>The newest attempt of a job of one replica.</summary>
    public async Task<Attempt> AttemptAsync(long id, CancellationToken ct)
    {
        await using var db = await DbAsync(ct);
        return await db.Attempts.AsNoTracking().Where(a => a.WorkloadId == id).OrderBy(a => a.Id).LastAsync(ct);
    }

    /// <summary>Waits until an attempt has written a line.</summary>
    public async Task UntilLineAsync(long attemptId, string text, TimeSpan timeout, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(timeout);
        await foreach (var lines in Services.GetRequiredService<LogReader>().FollowAsync(attemptId, 0, patience.Token))
        {
            if (lines.Any(l => l.Text == text))
            {
                return;
            }
        }
        Assert.Fail($"attempt {attemptId} never wrote \"{text}\"");
    }

    public Task<ConsoleDb> DbAsync(CancellationToken ct) =>
        Services.GetRequiredService<IDbContextFactory<ConsoleDb>>().CreateDbContextAsync(ct);

    public async ValueTask DisposeAsync()
    {
        // What a failed test left running is stopped by name: another test's containers carry another installation
        using var budget = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _host.StopAsync(budget.Token);
        await RemoveContainersAsync(budget.Token);
        _host.Dispose();
        Directory.Delete(Options.DataFolder, recursive: true);
        var name = new NpgsqlConnectionStringBuilder(Options.Database).Database;
        await TestDatabases.DropAsync(AdminDatabase, name, budget.Token);
    }

    private async Task RemoveContainersAsync(CancellationToken ct)
    {
        var install = Services.GetRequiredService<InstallationId>();
        var engines = Services.GetRequiredService<IEngineFactory>();
        await using var db = await DbAsync(ct);
        foreach (var host in await db.Hosts.AsNoTracking().ToListAsync(ct))
        {
            var engine = engines.Get(host.Address, host.SealedCredentials);
            try
            {
                await ClearAsync(engine, install.Value, ct);
            }
            catch (EngineUnreachableException)
            {
                // A test that failed while a host was away: its own failure is the one to tell
            }
        }
    }

    /// <summary>Containers of an installation, then its wall, which rules the network that they were on.</summary>
    public static async Task ClearAsync(IContainerEngine engine, string install, CancellationToken ct)
    {
        foreach (var container in await engine.ListAsync(install, ct))
        {
            if (container.Labels.GetValueOrDefault(Labels.Probe) != WallPlans.Kind)
            {
                await engine.RemoveAsync(container.Id, force: true, ct);
            }
        }
        await HostWall.RemoveAsync(engine, install, ct);
    }

    private async Task BootAsync(Action<IServiceCollection>? services, CancellationToken ct)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddSimpleConsole().SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Error);
        builder.Services.AddDeepLabCore(Options).AddDeepLabLoop();
        services?.Invoke(builder.Services);
        _host = builder.Build();
        await Services.GetRequiredService<Bootstrap>().RunAsync(ct);
        await _host.StartAsync(ct);
        await UntilAsync(
            db => db.Hosts.AnyAsync(h => h.State == DeepLab.Core.Clusters.HostState.Ready && h.Preflight != null, ct),
            TimeSpan.FromSeconds(30),
            ct
        );
    }
}
