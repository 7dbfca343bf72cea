using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>What to do next for one attempt.</summary>
public enum Step
{
    /// <summary>It was never created and is not wanted any more.</summary>
    Cancel,
    Create,

    /// <summary>The container is there and has not started: put the code in and start it.</summary>
    Start,

    /// <summary>It never started and somebody else is removing it: what follows is seen when it is gone.</summary>
    AwaitGone,

    /// <summary>Created, never started, and not wanted any more: remove it, then it is cancelled.</summary>
    Discard,
    NoteRunning,
    Stop,

    /// <summary>It is over for us and runs all the same: its host was given up and came back.</summary>
    Evict,

    /// <summary>It runs, as it should.</summary>
    Watch,
    NoteExit,

    /// <summary>It ran and its container is not there, or about to go: somebody removed it.</summary>
    NoteLost,
    Archive,
    Remove,
    NoteRemoved,
    Done,

    /// <summary>Its name is taken by a container that is not ours.</summary>
    NameTaken,
}

/// <summary>Desired and recorded state of one attempt, as one row.</summary>
public sealed record AttemptFacts(
    AttemptState State,
    bool StopWanted,
    bool StopSent,
    bool LogArchived,
    bool ContainerRemoved
)
{
    /// <summary>This console started its container or saw that it had started, which may not be recorded yet.</summary>
    public bool HasStarted { get; init; }
}

/// <summary>The loop's difference between what is recorded and what the engine shows. Pure; at a fixpoint it answers Watch or Done.</summary>
public static class AttemptSteps
{
    /// <param name="seen">the container of the attempt's name, or null where the engine has none</param>
    /// <param name="isOurs">its labels carry this attempt</param>
    public static Step Next(AttemptFacts facts, ContainerReport? seen, bool isOurs)
    {
        if (facts.State.IsTerminal())
        {
            return facts switch
            {
                { ContainerRemoved: true } => Step.Done,
                // Given up with its host, which is back with the container alive: its place may be taken elsewhere
                _ when seen is { State: ContainerState.Running or ContainerState.Paused } && isOurs => Step.Evict,
                { LogArchived: false } => Step.Archive,
                _ when seen is not null && isOurs => Step.Remove,
                _ => Step.NoteRemoved,
            };
        }
        if (seen is null)
        {
            return facts.State == AttemptState.Running || facts.HasStarted ? Step.NoteLost
                : facts.StopWanted ? Step.Cancel
                : Step.Create;
        }
        if (!isOurs)
        {
            return Step.NameTaken;
        }
        // It does not run: the engine shows a removal only of what is dead. Dead: a removal that failed
        if (seen.State is ContainerState.Removing or ContainerState.Dead && !facts.StopSent)
        {
            return seen.StartedAt is not null ? Step.NoteLost
                : seen.State == ContainerState.Removing ? Step.AwaitGone
                : Step.NoteExit;
        }
        if (seen.StartedAt is null)
        {
            // A start that failed leaves the container created, with an exit code
            return seen.State is ContainerState.Created && seen.ExitCode == 0
                ? facts.StopWanted
                    ? Step.Discard
                    : Step.Start
                : Step.NoteExit;
        }
        if (seen.State is ContainerState.Exited or ContainerState.Dead or ContainerState.Removing)
        {
            return Step.NoteExit;
        }
        if (facts.State != AttemptState.Running)
        {
            return Step.NoteRunning;
        }
        return facts.StopWanted ? Step.Stop : Step.Watch;
    }
}
