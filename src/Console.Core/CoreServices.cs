using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Core;

public static class CoreServices
{
    /// <summary>Everything of the core but the control loop: what any door needs.</summary>
    public static IServiceCollection AddDeepLabCore(this IServiceCollection services, ConsoleOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(_ => Database.CreateDataSource(options.Database));
        services.AddDbContextFactory<ConsoleDb>(
            (provider, o) => o.UseConsole(provider.GetRequiredService<Npgsql.NpgsqlDataSource>())
        );
        services.AddSingleton<ChangeFeed>();
        services.AddHostedService<ChangeListener>();
        services.AddSingleton<InstallationId>();
        services.AddSingleton<Bootstrap>();
        services.AddSingleton<ILogStore, PostgresLogStore>();
        services.AddSingleton<ISeriesStore, PostgresSeriesStore>();
        services.AddSingleton<LogReader>();
        services.AddSingleton<SeriesReader>();
        services.AddSingleton<LatestReadings>();
        services.AddSingleton<CodeFolder>();
        services.AddSingleton<SubmitJob>();
        services.AddSingleton<PreviewJob>();
        services.AddSingleton<StopWorkload>();
        services.AddSingleton<DeleteWorkload>();
        services.AddSingleton<CloneJob>();
        services.AddSingleton<UploadCode>();
        services.AddSingleton<JobQueries>();
        services.AddSingleton<FleetQueries>();
        services.AddSingleton<TokenVerbs>();
        services.AddSingleton<UserVerbs>();
        return services;
    }
}
