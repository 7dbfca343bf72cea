using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Operations.Data;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Gateway;
using DeepLab.Core.Operations.History;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Operations.Terminals;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Reconcile.Pairs;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Core;

public static class CoreServices
{
    /// <summary>Everything of the core but the control loop: what any door needs.</summary>
    public static IServiceCollection AddDeepLabCore(this IServiceCollection services, ConsoleOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton(_ => new DatabaseClock(TimeProvider.System));
        services.AddSingleton<TimeProvider>(p => p.GetRequiredService<DatabaseClock>());
        services.AddSingleton(_ => Database.CreateDataSource(options.Database));
        services.AddDbContextFactory<ConsoleDb>(
            (provider, o) => o.UseConsole(provider.GetRequiredService<Npgsql.NpgsqlDataSource>())
        );
        services.AddSingleton<ChangeFeed>();
        services.AddHostedService<ChangeListener>();
        services.AddSingleton<InstallationId>();
        services.AddSingleton<SecretBox>();
        services.AddSingleton<Bootstrap>();
        services.AddSingleton(p => EnginePolicy.From(p.GetRequiredService<ConsoleOptions>()));
        services.AddSingleton<IEngineFactory, EngineFactory>();
        services.AddSingleton<ILogStore, PostgresLogStore>();
        services.AddSingleton<ISeriesStore, PostgresSeriesStore>();
        services.AddSingleton<IMediaStore, PostgresMediaStore>();
        services.AddSingleton(_ => new RecentBlocks());
        services.AddSingleton<LogReader>();
        services.AddSingleton<SeriesReader>();
        services.AddSingleton<LatestReadings>();
        services.AddSingleton<CodeFolder>();
        services.AddSingleton(new TerminalLimits());
        services.AddSingleton<OpenTerminals>();
        services.AddSingleton<TerminalVerbs>();
        services.AddSingleton<QueueReader>();
        services.AddSingleton<LivePlan>();
        services.AddSingleton<SubmitJob>();
        services.AddSingleton<PreviewJob>();
        services.AddSingleton<StopWorkload>();
        services.AddSingleton<DeleteWorkload>();
        services.AddSingleton<CloneJob>();
        services.AddSingleton<RunJobAgain>();
        services.AddSingleton<EditRun>();
        services.AddSingleton<SavedViews>();
        services.AddSingleton<HistoryKeeping>();
        services.AddSingleton<ExportHistory>();
        services.AddSingleton<StartEnvironment>();
        services.AddSingleton<RestartEnvironment>();
        services.AddSingleton<DeleteEnvironment>();
        services.AddSingleton<CloneEnvironment>();
        services.AddSingleton<JupyterPassword>();
        services.AddSingleton<KeptHomes>();
        services.AddSingleton<TouchEnvironment>();
        services.AddSingleton<OpenTensorBoard>();
        services.AddSingleton<EnvironmentQueries>();
        services.AddSingleton<SshKeyVerbs>();
        services.AddSingleton<QueueVerbs>();
        services.AddSingleton<WhatIfJob>();
        services.AddSingleton<UploadCode>();
        services.AddSingleton<JobQueries>();
        services.AddSingleton<CompareJobs>();
        services.AddSingleton<CheckpointQueries>();
        services.AddSingleton<CheckpointVerbs>();
        services.AddSingleton<CheckpointDownloads>();
        services.AddSingleton<FleetQueries>();
        services.AddSingleton<PairQueries>();
        services.AddFleetVerbs();
        services.AddSingleton<TokenVerbs>();
        services.AddSingleton<UserVerbs>();
        services.AddSingleton<EndpointReader>();
        services.AddSingleton<GatewayCodes>();
        services.AddSingleton<TeamVerbs>();
        services.AddSingleton<VolumeVerbs>();
        services.AddSingleton<DatasetVerbs>();
        services.AddSingleton<DatasetQueries>();
        services.AddSingleton<MakeDatasetVersion>();
        services.AddSingleton<Retention>();
        services.AddSingleton<RunReceipts>();
        services.AddSingleton<ReceiptKeeping>();
        services.AddSingleton<JobReceipts>();
        services.AddSingleton<ImageTaskQueue>();
        services.AddSingleton<ImageQueries>();
        services.AddSingleton<ImageVerbs>();
        services.AddSingleton<RegistryVerbs>();
        services.AddSingleton<ImageTaskVerbs>();
        services.AddSingleton<ImagePolicyVerbs>();
        services.AddSingleton<ImagePruning>();
        services.AddSingleton<SnapshotEnvironment>();
        services.AddSingleton<BuildImage>();
        return services;
    }

    private static void AddFleetVerbs(this IServiceCollection services)
    {
        services.AddSingleton<AddCluster>();
        services.AddSingleton<TrustCluster>();
        services.AddSingleton<RemoveCluster>();
        services.AddSingleton<AddHost>();
        services.AddSingleton<EditHost>();
        services.AddSingleton<RemoveHost>();
        services.AddSingleton<DrainHost>();
        services.AddSingleton<ActivateHost>();
        services.AddSingleton<DisableHost>();
        services.AddSingleton<CheckHost>();
        services.AddSingleton<FenceHost>();
        services.AddSingleton<FenceGpu>();
        services.AddSingleton<ClearGpu>();
        services.AddSingleton<EvictGpu>();
        services.AddSingleton<AdoptGpu>();
    }

    /// <summary>The control loop; starts after the bootstrap ran.</summary>
    public static IServiceCollection AddDeepLabLoop(this IServiceCollection services)
    {
        services.AddSingleton<IRegistryLogins, RegistryLogins>();
        services.AddSingleton<ImageWork>();
        services.AddSingleton<ImageTasks>();
        services.AddSingleton<InstanceLock>();
        services.AddSingleton<LeaseConnections>();
        services.AddSingleton<Leadership>();
        services.AddSingleton<LeaderWrites>();
        services.AddSingleton<AttemptWrites>();
        services.AddSingleton<HostWrites>();
        services.AddSingleton<JobFiles>();
        services.AddSingleton<ImageNames>();
        services.AddSingleton<SeriesWriter>();
        services.AddHostedService(p => p.GetRequiredService<SeriesWriter>());
        services.AddSingleton<TelemetryStarter>();
        services.AddSingleton<ProbeStarter>();
        services.AddSingleton<WallPolicy>();
        services.AddSingleton<PairWrites>();
        services.AddSingleton<PairChecks>();
        services.AddSingleton<Failpoints>();
        services.AddSingleton<DriverTools>();
        services.AddSingleton<JobNetworks>();
        services.AddSingleton<JobVolumes>();
        services.AddSingleton<HomeVolumes>();
        services.AddSingleton<CheckpointRemovals>();
        services.AddSingleton<DatasetMaking>();
        services.AddSingleton<PortBook>();
        services.AddSingleton<DoorLeases>();
        services.AddSingleton<JupyterClient>();
        services.AddSingleton<EnvironmentTools>();
        services.AddSingleton<JobMounts>();
        services.AddSingleton<CheckpointTools>();
        services.AddSingleton<SwarmFollower>();
        services.AddSingleton<WaitWrites>();
        services.AddSingleton<HostDuties>();
        services.AddSingleton<Yields>();
        services.AddSingleton<Growth>();
        services.AddSingleton<QueuePass>();
        services.AddHostedService<ControlLoop>();
        return services;
    }
}
