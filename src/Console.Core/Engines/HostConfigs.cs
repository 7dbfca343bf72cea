using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>
/// The one way from a plan to the engine's own structure: a pure function of plan and policy. No device, capability, or
/// runtime can be named by a plan, so none can come out (the wall, which is nobody's workload, rules its host's network); its
/// networks, mounts and ports come from the database alone.
/// </summary>
public static class HostConfigs
{
    /// <summary>Names that only the console and the GPU runtime may set: they decide which devices a container sees.</summary>
    private static readonly HashSet<string> Reserved = new(StringComparer.Ordinal)
    {
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_MIG_CONFIG_DEVICES",
        "NVIDIA_MIG_MONITOR_DEVICES",
        "NVIDIA_IMEX_CHANNELS",
        "CUDA_DEVICE_ORDER",
    };

    /// <exception cref="ArgumentException">A workload's container was to rule its host's network, or to have its processes or all GPUs.</exception>
    public static CreateContainerParameters Build(ContainerPlan plan, EnginePolicy policy)
    {
        if ((plan.RulesNetwork || plan.HostPids || plan.AllGpus) && IsSomebodys(plan))
        {
            throw new ArgumentException("A workload's container has no part of its host.", nameof(plan));
        }
        return new()
        {
            Name = plan.Name,
            Image = plan.Image,
            // Empty: the image's own
            Cmd = [.. plan.Command],
            Entrypoint = plan.Entrypoint.Count > 0 ? [.. plan.Entrypoint] : null!,
            Env = Environment(plan),
            Labels = new Dictionary<string, string>(plan.Labels),
            User = plan.User ?? (plan.RulesNetwork ? "0:0" : policy.DefaultUser),
            WorkingDir = plan.WorkingDirectory ?? "",
            Hostname = plan.Hostname,
            StopTimeout = plan.StopGrace,
            ExposedPorts = plan.Ports.DistinctBy(p => p.ContainerPort).ToDictionary(Inside, _ => default(EmptyStruct)),
            HostConfig = Host(plan, policy),
            NetworkingConfig = plan.Network is null ? null : Networking(plan.Network, plan.NetworkAlias),
        };
    }

    private static bool IsSomebodys(ContainerPlan plan) =>
        plan.Labels.ContainsKey(Labels.Attempt) || plan.Labels.ContainsKey(Labels.Workload);

    /// <summary>Other replicas find it by its name, `worker-0`.</summary>
    private static NetworkingConfig Networking(string network, string? alias) =>
        new()
        {
            EndpointsConfig = new Dictionary<string, EndpointSettings>
            {
                [network] = new EndpointSettings { Aliases = alias is null ? [] : [alias] },
            },
        };

    private static HostConfig Host(ContainerPlan plan, EnginePolicy policy) =>
        new()
        {
            Memory = plan.Memory,
            // The same figure for memory and memory + swap: no swap
            MemorySwap = plan.Memory,
            NanoCPUs = (long)Math.Round(plan.Cpus * 1e9),
            ShmSize = plan.Shm,
            PidsLimit = policy.PidsLimit,
            // Among its host's processes an init of its own would be no init
            Init = !plan.HostPids,
            PidMode = plan.HostPids ? "host" : "",
            Privileged = false,
            CapDrop = ["ALL"],
            CapAdd = plan.RulesNetwork ? ["NET_ADMIN"] : [],
            ReadonlyRootfs = plan.RulesNetwork,
            SecurityOpt = ["no-new-privileges"],
            IpcMode = "private",
            // First and only: a second network would give programs two addresses to publish
            NetworkMode = plan.HostNetwork ? "host" : plan.Network ?? "default",
            ExtraHosts = [.. plan.KnownHosts.Select(h => $"{h.Name}:{h.Address}")],
            PublishAllPorts = false,
            PortBindings = plan
                .Ports.GroupBy(Inside, StringComparer.Ordinal)
                .ToDictionary(g => g.Key, IList<PortBinding> (g) => [.. g.Select(Binding)], StringComparer.Ordinal),
            // Either would lose exit codes or hide restarts
            AutoRemove = false,
            RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
            LogConfig = new LogConfig
            {
                Type = "json-file",
                Config = new Dictionary<string, string>
                {
                    ["max-size"] = (plan.LogMaxSize ?? policy.LogMaxSize).ToString(),
                    ["max-file"] = policy.LogMaxFiles.ToString(),
                },
            },
            DeviceRequests = Devices(plan),
            Mounts = Mounts(plan),
        };

    private static string Inside(PublishedPort port) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{port.ContainerPort}/tcp");

    private static PortBinding Binding(PublishedPort port) =>
        new()
        {
            HostIP = port.Address,
            HostPort = port.Port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        };

    /// <summary>Volumes of the console's own by name, and paths only of volumes that an admin defined.</summary>
    private static List<Mount> Mounts(ContainerPlan plan)
    {
        var mounts = plan.Mounts.Select(m => m.IsPath ? Bind(m) : Own(plan, m)).ToList();
        if (plan.CheckpointVolume is { } checkpoints)
        {
            mounts.Insert(
                0,
                Own(checkpoints, plan.CheckpointPath, false, plan, (Labels.Workload, plan.Labels[Labels.Workload]))
            );
        }
        mounts.AddRange(
            plan.EventFiles.Select(e =>
                Own(
                    e.Source,
                    e.Target,
                    e.ReadOnly,
                    plan,
                    (Labels.Workload, e.WorkloadId.ToString(System.Globalization.CultureInfo.InvariantCulture))
                )
            )
        );
        if (plan.HomeVolume is { } home)
        {
            // First: what lies in it is mounted after it. Without the label of a workload: it outlives the containers
            mounts.Insert(0, Own(home, plan.HomePath, false, plan, (Labels.Home, plan.Labels[Labels.Workload])));
        }
        return mounts;
    }

    private static Mount Own(ContainerPlan plan, PlannedMount mount) =>
        Own(mount.Source, mount.Target, mount.ReadOnly, plan, (Labels.Volume, mount.Name));

    private static Mount Own(
        string name,
        string target,
        bool readOnly,
        ContainerPlan plan,
        (string Name, string Value) label
    ) =>
        new()
        {
            Type = "volume",
            Source = name,
            Target = target,
            ReadOnly = readOnly,
            VolumeOptions = new VolumeOptions
            {
                NoCopy = true,
                Labels = new Dictionary<string, string>
                {
                    [Labels.Install] = plan.Labels[Labels.Install],
                    [label.Name] = label.Value,
                },
            },
        };

    /// <summary>The engine refuses a path that is not there: nothing is made on a host by accident.</summary>
    private static Mount Bind(PlannedMount mount) =>
        new()
        {
            Type = "bind",
            Source = mount.Source,
            Target = mount.Target,
            ReadOnly = mount.ReadOnly,
            // What is mounted in the container later stays there
            BindOptions = new BindOptions { Propagation = "rprivate" },
        };

    private static IList<DeviceRequest> Devices(ContainerPlan plan)
    {
        if (!plan.AllGpus && plan.GpuUuids.Count == 0)
        {
            return [];
        }
        var request = new DeviceRequest
        {
            Driver = "nvidia",
            Capabilities = new List<IList<string>>
            {
                new List<string> { "gpu", "utility", "compute" },
            },
        };
        if (plan.AllGpus)
        {
            request.Count = -1;
        }
        else
        {
            request.DeviceIDs = [.. plan.GpuUuids];
        }
        return [request];
    }

    /// <summary>Sorted, so that the same plan is the same request.</summary>
    private static List<string> Environment(ContainerPlan plan)
    {
        var env = plan
            .Env.Where(e => !Reserved.Contains(e.Key))
            .OrderBy(e => e.Key, StringComparer.Ordinal)
            .Select(e => $"{e.Key}={e.Value}")
            .ToList();
        env.Add("CUDA_DEVICE_ORDER=PCI_BUS_ID");
        if (!plan.AllGpus && plan.GpuUuids.Count == 0)
        {
            // CUDA images say "all" here, which a host whose default runtime is nvidia would believe
            env.Add("NVIDIA_VISIBLE_DEVICES=void");
        }
        return env;
    }
}
