using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class AttemptStepsTests
{
    private static readonly DateTimeOffset s_at = DateTimeOffset.UnixEpoch;
    private static readonly AttemptFacts s_leased = new(AttemptState.Leased, false, false, false, false);
    private static readonly AttemptFacts s_running = s_leased with { State = AttemptState.Running };
    private static readonly AttemptFacts s_exited = s_leased with { State = AttemptState.Exited };

    public static TheoryData<AttemptFacts, ContainerReport?, bool, Step> Looks =>
        new()
        {
            { s_leased, null, false, Step.Create },
            { s_leased with { State = AttemptState.Creating }, null, false, Step.Create },
            { s_leased with { StopWanted = true }, null, false, Step.Cancel },
            { s_leased, Seen(ContainerState.Created), true, Step.Start },
            { s_leased with { StopWanted = true }, Seen(ContainerState.Created), true, Step.Discard },
            { s_leased, Seen(ContainerState.Created, exitCode: 127), true, Step.NoteExit },
            { s_leased, Seen(ContainerState.Created), false, Step.NameTaken },
            { s_leased, Seen(ContainerState.Running, started: true), true, Step.NoteRunning },
            { s_leased, Seen(ContainerState.Exited, started: true), true, Step.NoteExit },
            { s_running, Seen(ContainerState.Running, started: true), true, Step.Watch },
            { s_running, Seen(ContainerState.Paused, started: true), true, Step.Watch },
            { s_running with { StopWanted = true }, Seen(ContainerState.Running, started: true), true, Step.Stop },
            // A stop that was sent and whose reply was lost is sent again: the engine takes it twice
            {
                s_running with
                {
                    StopWanted = true,
                    StopSent = true,
                },
                Seen(ContainerState.Running, started: true),
                true,
                Step.Stop
            },
            { s_running, Seen(ContainerState.Exited, started: true), true, Step.NoteExit },
            { s_running, null, false, Step.NoteLost },
            // Removed before it was recorded that it runs: it is not run a second time
            { s_leased with { HasStarted = true }, null, false, Step.NoteLost },
            // Somebody removes it, or tried to: it is dead, and that was no end of its own
            { s_running, Seen(ContainerState.Removing, started: true), true, Step.NoteLost },
            { s_running, Seen(ContainerState.Dead, started: true), true, Step.NoteLost },
            { s_running with { StopSent = true }, Seen(ContainerState.Dead, started: true), true, Step.NoteExit },
            { s_running with { StopSent = true }, Seen(ContainerState.Removing, started: true), true, Step.NoteExit },
            { s_leased, Seen(ContainerState.Removing), true, Step.AwaitGone },
            { s_leased, Seen(ContainerState.Removing), false, Step.NameTaken },
            { s_exited with { LogArchived = true }, Seen(ContainerState.Removing, started: true), true, Step.Remove },
            { s_exited, Seen(ContainerState.Exited, started: true), true, Step.Archive },
            { s_exited with { LogArchived = true }, Seen(ContainerState.Exited, started: true), true, Step.Remove },
            { s_exited with { LogArchived = true }, null, false, Step.NoteRemoved },
            // A stranger's container of our name is never removed
            {
                s_exited with
                {
                    LogArchived = true,
                },
                Seen(ContainerState.Running, started: true),
                false,
                Step.NoteRemoved
            },
            { s_exited with { LogArchived = true, ContainerRemoved = true }, null, false, Step.Done },
        };

    [Theory]
    [MemberData(nameof(Looks))]
    public void Each_look_has_its_one_step(AttemptFacts facts, ContainerReport? seen, bool isOurs, Step step) =>
        Assert.Equal(step, AttemptSteps.Next(facts, seen, isOurs));

    /// <summary>Whatever is recorded and whatever is seen, a container is removed only after its log was archived.</summary>
    [Fact]
    public void Nothing_is_removed_before_its_log_is_archived()
    {
        ContainerReport?[] reports =
        [
            null,
            .. from state in Enum.GetValues<ContainerState>()
            from started in new[] { false, true }
            select Seen(state, started),
        ];
        foreach (var state in Enum.GetValues<AttemptState>())
        {
            foreach (var seen in reports)
            {
                foreach (var stop in new[] { false, true })
                {
                    var step = AttemptSteps.Next(
                        new AttemptFacts(state, stop, stop, false, false),
                        seen,
                        seen is not null
                    );
                    Assert.NotEqual(Step.Remove, step);
                    Assert.NotEqual(Step.Done, step);
                }
            }
        }
    }

    private static ContainerReport Seen(ContainerState state, bool started = false, int exitCode = 0) =>
        new(
            "id",
            "name",
            "image",
            state,
            0,
            exitCode,
            false,
            "",
            started ? s_at : null,
            state == ContainerState.Exited ? s_at : null,
            new Dictionary<string, string>(),
            []
        );
}
