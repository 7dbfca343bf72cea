using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>The core and its loop in this process on the lab's clock and engines, until it is killed.</summary>
internal sealed class FakeConsole
{
    private readonly IHost _host;
    private readonly NpgsqlDataSource _own;
    private readonly Life _life;

    private FakeConsole(IHost host, NpgsqlDataSource own, Life life) => (_host, _own, _life) = (host, own, life);

    public IServiceProvider Services => _host.Services;

    /// <summary>It died at its failpoint.</summary>
    public bool IsDead => _life.IsOver;

    public ArmedFailpoints Failpoints => (ArmedFailpoints)Services.GetRequiredService<Failpoints>();

    /// <summary>A loop that ends by an error takes its process along.</summary>
    public bool HasCollapsed =>
        !IsDead && Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested;

    /// <param name="shared">for EF Core, whose compiled queries outlive this console</param>
    public static async Task<FakeConsole> BootAsync(
        ConsoleOptions options,
        NpgsqlDataSource shared,
        IEngineFactory engines,
        TimeProvider time,
        Activity activity,
        ILoggerProvider log,
        CancellationToken ct
    )
    {
        var life = new Life(activity);
        var own = Database.CreateDataSource(options.Database);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(log).SetMinimumLevel(LogLevel.Information);
        builder
            .Services.AddDeepLabCore(options)
            .AddDeepLabLoop()
            .AddSingleton(time)
            .AddSingleton(engines)
            .AddSingleton(own)
            .AddSingleton<IDbContextFactory<ConsoleDb>>(new MortalDatabases(shared, life))
            .AddSingleton<LeaseConnections>(new MortalLease(options, life, activity))
            .AddSingleton<Failpoints>(new ArmedFailpoints(options, life));
        var host = builder.Build();
        var console = new FakeConsole(host, own, life);
        try
        {
            await host.Services.GetRequiredService<Bootstrap>().RunAsync(ct);
            await host.StartAsync(ct);
            return console;
        }
        catch
        {
            await console.EndAsync();
            throw;
        }
    }

    /// <summary>Ends it as SIGKILL would: what it was about to write is not written. Engines must be out of its reach.</summary>
    public async Task EndAsync()
    {
        _life.End();
        await _own.DisposeAsync();
        try
        {
            await _host.StopAsync();
        }
        catch (Exception e)
            when (e is AggregateException or ObjectDisposedException or OperationCanceledException or NpgsqlException)
        {
            // Nobody hears the last words of the dead
        }
        if (_host is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
    }
}
