using System.Collections.Immutable;
using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <param name="HeldBy">the workload that holds it, or null</param>
public sealed record GpuSlot(string Uuid, string Model, long MemoryBytes, bool Healthy, long? HeldBy)
{
    public bool IsFree => Healthy && HeldBy is null;
}

/// <summary>What a host has and what is held of it: by every attempt whose container was not seen dead.</summary>
public sealed record HostSlot(
    Guid Id,
    string Name,
    Guid ClusterId,
    HostState State,
    double Cpus,
    double CpusHeld,
    long MemoryBytes,
    long MemoryHeldBytes,
    ImmutableArray<GpuSlot> Gpus,
    ImmutableArray<long> HeldBy
)
{
    public double CpusFree => Cpus - CpusHeld;
    public long MemoryFreeBytes => MemoryBytes - MemoryHeldBytes;
}

/// <summary>A job as the planner sees it: all replicas of its one role on one host, or none.</summary>
public sealed record JobRequest(long Id, Guid ClusterId, int Priority, RoleSpec Role)
{
    public int Gpus => Role.Replicas * Role.Resources.Gpus;
    public double Cpus => Role.Replicas * Role.Resources.Cpus;
    public long MemoryBytes => Role.Replicas * Role.Resources.Memory;
}

public sealed record FleetSnapshot(ImmutableArray<HostSlot> Hosts);

/// <param name="Gpus">UUIDs for each replica, in the order of their index</param>
public sealed record JobPlacement(
    long JobId,
    Guid HostId,
    string HostName,
    ImmutableArray<ImmutableArray<string>> Gpus
);

/// <summary>What starts now, and for everything else why it waits, in queue order.</summary>
public sealed record QueuePlan(
    ImmutableArray<JobPlacement> Placements,
    ImmutableArray<(long JobId, ImmutableArray<WaitReason> Waits)> Waiting
);
