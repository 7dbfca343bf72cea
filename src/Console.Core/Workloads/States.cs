namespace DeepLab.Core.Workloads;

public enum WorkloadKind
{
    Job,
    Environment,
    Service,
}

public enum WorkloadState
{
    Queued,
    Starting,
    Running,
    Restarting,
    Stopping,
    Succeeded,
    Failed,
    Stopped,
}

public enum AttemptState
{
    Leased,
    Creating,
    Running,
    Exited,
    Lost,
}

/// <summary>What the user wants; the loop works towards it.</summary>
public enum DesiredState
{
    Run,
    Stop,

    /// <summary>End what runs and take a place in the queue again; set by the loop for a preemption or a drain.</summary>
    Requeue,
}

/// <summary>Why a workload or an attempt is in its state. Machine-readable; a sentence for people stands beside it.</summary>
public enum Reason
{
    None,
    WaitingForResources,
    WaitingForHost,
    Placed,
    PullingImage,
    CreatingContainer,
    StartedRunning,
    Completed,
    ExitedNonZero,
    OutOfMemory,
    KilledBySignal,
    ImageNotFound,
    ImagePullFailed,
    CommandNotFound,
    CommandNotExecutable,
    CreateFailed,
    StartFailed,
    CodeMissing,
    VolumeMissing,
    StoppedByUser,
    MaxDurationReached,
    EngineStopped,
    HostLost,
    ContainerLost,
    SiblingFailed,
    RestartRequested,
    DiskFull,
    Preempted,
    HostDrained,
    WaitingForPreemption,
    HeldByAdmin,
    NameTaken,
    GpuFailed,
    WaitingForNetwork,
    NetworkFailed,
    WaitingForJupyter,
    IdleCulled,
    PortTaken,
    CheckpointsUnusable,
    WaitingForCheckpoint,

    /// <summary>All replicas that decide had succeeded.</summary>
    NoLongerNeeded,
    WaitingForTensorBoard,

    /// <summary>An elastic job that gives up its place for a larger one.</summary>
    Growing,
}

/// <summary>The one table of allowed moves. An illegal move is a bug and throws.</summary>
public static class Transitions
{
    public static bool IsTerminal(this WorkloadState s) =>
        s is WorkloadState.Succeeded or WorkloadState.Failed or WorkloadState.Stopped;

    public static bool IsTerminal(this AttemptState s) => s is AttemptState.Exited or AttemptState.Lost;

    public static bool IsAllowed(WorkloadState from, WorkloadState to) =>
        (from, to) switch
        {
            (WorkloadState.Queued, WorkloadState.Starting or WorkloadState.Stopped or WorkloadState.Failed) => true,
            (
                WorkloadState.Starting,
                WorkloadState.Running
                    or WorkloadState.Restarting
                    or WorkloadState.Stopping
                    or WorkloadState.Succeeded
                    or WorkloadState.Failed
                    or WorkloadState.Stopped
            ) => true,
            (
                WorkloadState.Running,
                WorkloadState.Restarting
                    or WorkloadState.Stopping
                    or WorkloadState.Succeeded
                    or WorkloadState.Failed
                    or WorkloadState.Stopped
            ) => true,
            (
                WorkloadState.Restarting,
                WorkloadState.Queued
                    or WorkloadState.Starting
                    or WorkloadState.Stopping
                    or WorkloadState.Failed
                    or WorkloadState.Stopped
            ) => true,
            (
                WorkloadState.Stopping,
                WorkloadState.Restarting
                    or WorkloadState.Succeeded
                    or WorkloadState.Failed
                    or WorkloadState.Stopped
            ) => true,
            _ => false,
        };

    /// <summary>As above; an environment or a service that was stopped, or failed, may also be started again.</summary>
    public static bool IsAllowed(WorkloadKind kind, WorkloadState from, WorkloadState to) =>
        IsAllowed(from, to)
        || (
            kind != WorkloadKind.Job
            && from is (WorkloadState.Stopped or WorkloadState.Failed)
            && to == WorkloadState.Queued
        );

    public static bool IsAllowed(AttemptState from, AttemptState to) =>
        (from, to) switch
        {
            (AttemptState.Leased, AttemptState.Creating or AttemptState.Exited or AttemptState.Lost) => true,
            (AttemptState.Creating, AttemptState.Running or AttemptState.Exited or AttemptState.Lost) => true,
            (AttemptState.Running, AttemptState.Exited or AttemptState.Lost) => true,
            _ => false,
        };

    /// <exception cref="InvalidOperationException">The move is not in the table.</exception>
    public static void Require(WorkloadState from, WorkloadState to) => Require(WorkloadKind.Job, from, to);

    /// <exception cref="InvalidOperationException">The move is not in the table.</exception>
    public static void Require(WorkloadKind kind, WorkloadState from, WorkloadState to)
    {
        if (!IsAllowed(kind, from, to))
        {
            throw new InvalidOperationException($"A workload does not move from {from} to {to}.");
        }
    }

    /// <exception cref="InvalidOperationException">The move is not in the table.</exception>
    public static void Require(AttemptState from, AttemptState to)
    {
        if (!IsAllowed(from, to))
        {
            throw new InvalidOperationException($"An attempt does not move from {from} to {to}.");
        }
    }
}
