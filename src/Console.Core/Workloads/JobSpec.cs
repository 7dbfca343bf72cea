using System.Collections.Immutable;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Workloads;

/// <summary>What the user asked for: immutable. Read with <see cref="SpecReader"/>, which reports every error at once.</summary>
public sealed record JobSpec
{
    public required string Name { get; init; }
    public string Cluster { get; init; } = "local";

    /// <summary>The team whose share and quota it uses; null = the owner's own first team.</summary>
    public string? Team { get; init; }

    /// <summary>An image reference, or the name of a catalogue entry: of every role that names none of its own.</summary>
    public required string Image { get; init; }

    /// <summary>`sha256:…` of an uploaded tar.gz that is unpacked into /workspace, or null.</summary>
    public string? Code { get; init; }

    /// <summary>A script of at most 256 KiB, written to /workspace/script.sh or script.py by its first line; or null.</summary>
    public string? Script { get; init; }
    public required ImmutableArray<RoleSpec> Roles { get; init; }

    /// <summary>How the replicas belong together.</summary>
    public Topology Topology { get; init; }

    /// <summary>`network: host`: its containers have the networks of their hosts, and ports there that are leased for them. See <see cref="HostNetworks"/>.</summary>
    public bool HostNetwork { get; init; }
    public ImmutableSortedDictionary<string, string> Env { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Volumes of the lab that every container of the job sees.</summary>
    public ImmutableArray<VolumeMount> Volumes { get; init; } = [];

    /// <summary>Versions of datasets that every container of it sees.</summary>
    public ImmutableArray<DatasetMount> Datasets { get; init; } = [];

    /// <summary>A final test run: it alone is given the lists of test files, and is marked as such wherever runs are compared.</summary>
    public bool Final { get; init; }
    public RestartSpec Restart { get; init; } = new();

    /// <summary>0-100, higher first.</summary>
    public int Priority { get; init; } = 50;

    /// <summary>May be stopped (SIGTERM, then a new place in the queue) for a job of higher priority, or for a team that wants its quota back.</summary>
    public bool Preemptible { get; init; }
    public PlacementSpec Placement { get; init; } = new();

    /// <summary>Counted from the first replica's start, anew in each round; null = no limit.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Null = it keeps none.</summary>
    public CheckpointSpec? Checkpoint { get; init; }

    /// <summary>Null = none are read out of its log.</summary>
    public MetricsSpec? Metrics { get; init; }

    /// <summary>What it is found by; what it has in the end is changed with the workload, and not here.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = SpecLabels.None;

    /// <summary>Null = whoever submitted said nothing of it.</summary>
    public GitSpec? Git { get; init; }

    /// <summary>
    /// Whether its event files outlive its containers, so that TensorBoard can be opened on them; null = where the console brings
    /// files into its containers anyway, so that it costs nothing.
    /// </summary>
    public bool? TensorBoard { get; init; }

    /// <summary>They are on a volume of its own on each of its hosts.</summary>
    public bool KeepsEventFiles =>
        Environment is null && (TensorBoard ?? (Code is not null || Script is not null || Checkpoint is not null));

    /// <summary>What makes it a development environment; null = a job.</summary>
    public EnvironmentSpec? Environment { get; init; }
    public WorkloadKind Kind => Environment is null ? WorkloadKind.Job : WorkloadKind.Environment;

    /// <summary>Every volume of the lab that its containers see, wherever the spec names it.</summary>
    public ImmutableArray<VolumeMount> Mounts =>
        Checkpoint?.Mount is null && Datasets.IsEmpty ? Volumes : [.. NamedMounts().Select(m => m.Mount)];

    /// <summary>As above, each with the field that names it, such as `volumes[0].name`.</summary>
    public IEnumerable<(string Field, VolumeMount Mount)> NamedMounts()
    {
        for (var i = 0; i < Volumes.Length; i++)
        {
            yield return ($"volumes[{i}].name", Volumes[i]);
        }
        if (Checkpoint?.Mount is { } kept)
        {
            yield return ("checkpoint.volume", kept);
        }
        for (var i = 0; i < Datasets.Length; i++)
        {
            if (Datasets[i].Mount is { } mount)
            {
                yield return ($"datasets[{i}].name", mount);
            }
        }
    }

    public string ImageOf(RoleSpec role) => role.Image ?? Image;

    /// <summary>Every image that it names, once, with the field that names it, such as `roles[1].image`; the job's own first.</summary>
    public IEnumerable<(string Field, string Image)> NamedImages() =>
        Roles
            .Select((r, i) => ($"roles[{i}].image", r.Image ?? Image))
            .Prepend(("image", Image))
            .DistinctBy(n => n.Item2);

    /// <summary>As one of its rounds has it.</summary>
    /// <param name="replicas">that the round has, where it may have fewer than were asked for; null = all</param>
    public JobSpec InRound(int? replicas) =>
        replicas is { } count && count != Roles[0].Replicas
            ? this with
            {
                Roles = [Roles[0] with { Replicas = count }],
            }
            : this;

    public int GpusAsked => Roles.Sum(r => r.Replicas * r.Resources.Gpus);

    /// <summary>The role of a replica such as `worker-0`.</summary>
    public RoleSpec RoleOf(string replica) => Roles.First(r => r.Name == replica[..replica.LastIndexOf('-')]);
}

public enum PlacementMode
{
    /// <summary>As few hosts as hold all replicas.</summary>
    Pack,

    /// <summary>One host, or none.</summary>
    SameHost,

    /// <summary>As many hosts as have room, evenly.</summary>
    Spread,
}

/// <summary>Where replicas may go. In a cluster without a network across hosts, all go to one host.</summary>
public sealed record PlacementSpec
{
    public PlacementMode Mode { get; init; }

    /// <summary>Labels that a host must carry, each with this value.</summary>
    public ImmutableSortedDictionary<string, string> HostLabels { get; init; } = NoLabels;
    internal static ImmutableSortedDictionary<string, string> NoLabels => SpecLabels.None;

    /// <summary>Names of hosts it must not run on.</summary>
    public ImmutableArray<string> ExcludeHosts { get; init; } = [];

    /// <summary>Names of the hosts it may run on; empty = any.</summary>
    public ImmutableArray<string> OnlyHosts { get; init; } = [];
}

public sealed record RoleSpec
{
    public required string Name { get; init; }
    public int Replicas { get; init; } = 1;

    /// <summary>
    /// A round has so many at least where there is no room for <see cref="Replicas"/>, and a later one has more once there is; null =
    /// all or none. Fewer than <see cref="Replicas"/>, and only of the one role of peers.
    /// </summary>
    public int? MinReplicas { get; init; }

    /// <summary>An image reference, or the name of a catalogue entry; null = the job's.</summary>
    public string? Image { get; init; }

    /// <summary>argv; empty = the image's own command.</summary>
    public ImmutableArray<string> Command { get; init; } = [];

    /// <summary>Before the job's own variables of the same names.</summary>
    public ImmutableSortedDictionary<string, string> Env { get; init; } = SpecEnv.None;

    /// <summary>Whether the job needs its success; null = as the topology has it. See <see cref="Topologies.Decides"/>.</summary>
    public bool? Deciding { get; init; }

    /// <summary>What is started again when a replica of it fails.</summary>
    public RestartScope RestartScope { get; init; }
    public ResourcesSpec Resources { get; init; } = new();
}

public enum RestartScope
{
    /// <summary>The job: its other replicas are stopped, and all are placed again.</summary>
    Gang,

    /// <summary>That replica alone, where it was; the others run on.</summary>
    Replica,
}

public sealed record ResourcesSpec
{
    public int Gpus { get; init; }

    /// <summary>Case-insensitive part of the model's name, or null for any.</summary>
    public string? GpuModel { get; init; }

    /// <summary>Least memory of each GPU, bytes; null for any.</summary>
    public long? GpuMemory { get; init; }
    public double Cpus { get; init; } = 1;

    /// <summary>bytes</summary>
    public long Memory { get; init; } = 1L << 30;

    /// <summary>Size of /dev/shm, bytes. The engine's own default of 64 MB starves PyTorch's loaders.</summary>
    public long Shm { get; init; } = 256L << 20;
}

public sealed record RestartSpec
{
    public int MaxRestarts { get; init; }
}

/// <summary>One thing that is wrong, at a path such as `roles[0].resources.gpus`; what is allowed is in the sentence.</summary>
public sealed record SpecError(string Path, string Message);
