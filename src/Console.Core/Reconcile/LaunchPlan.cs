using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>From spec and lease to the plan of a container. Pure.</summary>
public static class LaunchPlan
{
    public const string Workspace = "/workspace";

    /// <summary>`dl-…`: the installation is part of it, so that two consoles may share an engine.</summary>
    public static string NameOf(string installId, long workloadId, string replica, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-{workloadId}-{replica}-{attempt}");

    public static string NetworkOf(string installId, long workloadId, int round) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-{workloadId}-net-{round}");

    /// <summary>One a job on each host: all its replicas and rounds there share it.</summary>
    public static string CheckpointsOf(string installId, long workloadId) =>
        VolumeNames.Checkpoints(installId, workloadId);

    /// <summary>One an environment, on the one host where it lies.</summary>
    /// <param name="workloadId">of the environment that it was made for: another may have taken it over</param>
    public static string HomeOf(string installId, long workloadId) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-{installId[..6]}-home-{workloadId}");

    /// <summary>The engine's own volume behind a volume of the lab.</summary>
    public static string VolumeOf(string installId, string volume) => VolumeNames.Of(installId, volume);

    public static ContainerPlan Make(
        string installId,
        Workload workload,
        JobSpec spec,
        Attempt attempt,
        string image,
        IReadOnlyList<string> scriptCommand,
        IReadOnlyList<string> gpus,
        IReadOnlyList<PlannedMount>? mounts = null,
        IReadOnlyList<Endpoint>? doors = null,
        RoundPorts? ports = null
    )
    {
        var environment = spec.Environment;
        var role = spec.RoleOf(attempt.ReplicaName);
        var threads = Math.Max(1, (int)Math.Floor(role.Resources.Cpus)).ToString(CultureInfo.InvariantCulture);
        var env = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            // A quota is invisible to the libraries: without these they start a thread a core and are throttled
            ["OMP_NUM_THREADS"] = threads,
            ["OPENBLAS_NUM_THREADS"] = threads,
        };
        foreach (var (name, value) in ReplicaEnv.Defaults(spec))
        {
            env[name] = value;
        }
        foreach (var (name, value) in spec.Env.Concat(role.Env))
        {
            env[name] = value;
        }
        foreach (var (name, value) in ReplicaEnv.Of(spec, attempt.ReplicaName, workload.Id, attempt.Round, ports))
        {
            env[name] = value;
        }
        env["DEEPLAB_JOB"] = workload.Id.ToString(CultureInfo.InvariantCulture);
        env["DEEPLAB_ROLE"] = role.Name;
        env["DEEPLAB_REPLICA"] = attempt.ReplicaName;
        env["DEEPLAB_ATTEMPT"] = attempt.Number.ToString(CultureInfo.InvariantCulture);
        env["DEEPLAB_LOG_DIR"] = EventFileLaunch.FolderOf(spec, attempt);
        DatasetLaunch.SetEnv(env, spec);
        CheckpointLaunch.SetEnv(env, spec, workload.Id, attempt);
        if (environment is not null)
        {
            env["HOME"] = EnvironmentFolders.Home;
        }
        var command = role.Command.IsDefaultOrEmpty ? scriptCommand : [.. role.Command];
        var hasFiles = spec.Code is not null || spec.Script is not null;
        return new ContainerPlan
        {
            Name = attempt.ContainerName,
            Image = image,
            Command =
                environment is not null ? EnvironmentFiles.Command
                : spec.Topology == Topology.Mpi ? MpiFiles.Command(command)
                : command,
            Env = env,
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [Labels.Install] = installId,
                [Labels.Workload] = workload.Id.ToString(CultureInfo.InvariantCulture),
                [Labels.Attempt] = attempt.Id.ToString(CultureInfo.InvariantCulture),
                [Labels.Replica] = attempt.ReplicaName,
                [Labels.SpecHash] = workload.SpecHash,
                [Labels.Leased] = Stamp(attempt.LeasedAt),
            },
            Cpus = role.Resources.Cpus,
            Memory = role.Resources.Memory,
            Shm = role.Resources.Shm,
            GpuUuids = gpus,
            WorkingDirectory =
                environment is not null ? EnvironmentFolders.Home
                : hasFiles ? Workspace
                : null,
            // A prompt in its terminal tells which of one's environments it is
            Hostname = environment is null ? attempt.ReplicaName : HostnameOf(workload),
            HostNetwork = spec.HostNetwork,
            Network = spec.HostNetwork ? null : workload.NetworkName ?? WallRules.NetworkOf(installId),
            // On the network that all share, a name would be anybody's
            NetworkAlias = workload.NetworkName is null ? null : attempt.ReplicaName,
            KnownHosts = ports?.Addresses ?? [],
            CheckpointVolume = CheckpointLaunch.OwnVolume(installId, spec, workload.Id),
            CheckpointPath = CheckpointFolders.Mount,
            EventFiles = EventFileLaunch.Mounts(installId, spec, workload.Id),
            // A TensorBoard leaves nothing behind
            HomeVolume = environment is null or { IsBoard: true }
                ? null
                : HomeOf(installId, environment.Home ?? workload.Id),
            HomePath = EnvironmentFolders.Home,
            Ports = [.. (doors ?? []).Select(d => new PublishedPort(d.Address, d.Port, d.ContainerPort))],
            Mounts = mounts ?? [],
        };
    }

    /// <summary>What Linux takes as the name of a machine.</summary>
    private static string HostnameOf(Workload workload) => workload.Name.Replace('_', '-').Replace('.', '-').Trim('-');

    public static bool IsOurs(ContainerReport? report, string installId, Attempt attempt, string specHash) =>
        report is not null
        && report.Labels.GetValueOrDefault(Labels.Install) == installId
        && report.Labels.GetValueOrDefault(Labels.SpecHash) == specHash
        && IsOf(report.Labels, attempt.Id, attempt.LeasedAt);

    /// <summary>Of this very attempt, and not of one that had its id in a history which the database has lost.</summary>
    public static bool IsOf(IReadOnlyDictionary<string, string> labels, long attemptId, DateTimeOffset leasedAt) =>
        labels.GetValueOrDefault(Labels.Attempt) == attemptId.ToString(CultureInfo.InvariantCulture)
        // One from before there was this label has none
        && labels.GetValueOrDefault(Labels.Leased, Stamp(leasedAt)) == Stamp(leasedAt);

    /// <summary>Microseconds: what the database keeps.</summary>
    private static string Stamp(DateTimeOffset leasedAt) =>
        leasedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
