using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Tests.Engines;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DeepLab.Bench;

/// <summary>The core and its loop in this process, on a real database and an engine in memory that is as large as is asked.</summary>
internal sealed class FakeLab : IEngineFactory, IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private readonly string _database = $"bench_{Guid.CreateVersion7():N}";
    private readonly string _folder = Directory.CreateTempSubdirectory("deeplab-bench-").FullName;
    private readonly FakeEngine _engine = new(TimeProvider.System) { OnStart = Start };
    private IHost? _host;

    private FakeLab()
    {
        _engine.Info = _engine.Info with { EngineVersion = "29.3.1", Cpus = 4096, MemoryBytes = 1L << 45 };
        _engine.Images[Jobs.Image] = new ImageInfo("sha256:0", Jobs.Image, 1, new Dictionary<string, string>());
    }

    public static async Task<FakeLab> StartAsync(CancellationToken ct)
    {
        var lab = new FakeLab();
        try
        {
            await lab.BootAsync(ct);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when so many replicas run, of as few jobs as may have them.</summary>
    public async Task RunAsync(int replicas, CancellationToken ct)
    {
        var admin = new Actor(Guid.Empty, "admin", UserRole.Admin);
        var submit = _host!.Services.GetRequiredService<SubmitJob>();
        for (var left = replicas; left > 0; left -= SpecReader.MaxReplicas)
        {
            var job = Jobs.Shell("sleep", replicas: Math.Min(SpecReader.MaxReplicas, left), cpus: 0.01, memoryMib: 6);
            var outcome = await submit.RunAsync(admin, job, null, ct);
            BenchException.Require(outcome is Outcome<Submitted>.Done, $"the job was refused: {outcome}");
        }
        await UntilAsync(db => db.Attempts.CountAsync(a => a.State == AttemptState.Running, ct), replicas, ct);
    }

    IContainerEngine IEngineFactory.Get(string address, string? sealedCredentials) => _engine;

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync();
            _host.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
        await TestDatabases.DropAsync(Setting.Database, _database);
    }

    private async Task BootAsync(CancellationToken ct)
    {
        await using (var admin = NpgsqlDataSource.Create(Setting.Database))
        {
            await admin.ExecuteAsync($"create database {_database}", ct);
        }
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder
            .Services.AddDeepLabCore(
                new ConsoleOptions
                {
                    Database = new NpgsqlConnectionStringBuilder(Setting.Database)
                    {
                        Database = _database,
                    }.ConnectionString,
                    DataFolder = _folder,
                    DockerHost = "unix:///in-memory",
                    Egress = new EgressOptions { Mode = EgressMode.Off },
                }
            )
            .AddDeepLabLoop()
            .Replace(ServiceDescriptor.Singleton<IEngineFactory>(this));
        _host = builder.Build();
        await _host.Services.GetRequiredService<Bootstrap>().RunAsync(ct);
        await _host.StartAsync(ct);
        await UntilAsync(db => db.Hosts.CountAsync(h => h.Preflight != null, ct), 1, ct);
    }

    private async Task UntilAsync(Func<ConsoleDb, Task<int>> count, int wanted, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        var databases = _host!.Services.GetRequiredService<IDbContextFactory<ConsoleDb>>();
        while (true)
        {
            await using (var db = await databases.CreateDbContextAsync(patience.Token))
            {
                if (await count(db) == wanted)
                {
                    return;
                }
            }
            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }

    private static void Start(FakeContainer c)
    {
        switch (c.Plan.Labels.GetValueOrDefault(Labels.Probe))
        {
            case "gpu":
                c.Write("No devices were found");
                break;
            case "host":
                c.Write("host 8 100 1000 1000000 900000 1000000 100000");
                break;
            default:
                break;
        }
    }
}
