using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class TransitionsTests
{
    [Fact]
    public void What_has_ended_never_moves_again()
    {
        foreach (var to in Enum.GetValues<WorkloadState>())
        {
            Assert.False(Transitions.IsAllowed(WorkloadState.Succeeded, to));
            Assert.False(Transitions.IsAllowed(WorkloadState.Failed, to));
            Assert.False(Transitions.IsAllowed(WorkloadState.Stopped, to));
        }
        foreach (var to in Enum.GetValues<AttemptState>())
        {
            Assert.False(Transitions.IsAllowed(AttemptState.Exited, to));
            Assert.False(Transitions.IsAllowed(AttemptState.Lost, to));
        }
    }

    [Fact]
    public void Every_state_can_reach_an_end()
    {
        foreach (var from in Enum.GetValues<WorkloadState>())
        {
            var seen = new HashSet<WorkloadState> { from };
            var frontier = new Queue<WorkloadState>(seen);
            while (frontier.TryDequeue(out var state))
            {
                foreach (
                    var to in Enum.GetValues<WorkloadState>().Where(t => Transitions.IsAllowed(state, t) && seen.Add(t))
                )
                {
                    frontier.Enqueue(to);
                }
            }
            Assert.Contains(seen, s => s.IsTerminal());
        }
    }

    [Fact]
    public void An_environment_alone_starts_again_and_only_where_it_was_stopped_or_failed()
    {
        foreach (var from in Enum.GetValues<WorkloadState>().Where(s => s.IsTerminal()))
        {
            Assert.False(Transitions.IsAllowed(WorkloadKind.Job, from, WorkloadState.Queued));
            Assert.Equal(
                from != WorkloadState.Succeeded,
                Transitions.IsAllowed(WorkloadKind.Environment, from, WorkloadState.Queued)
            );
            Assert.False(Transitions.IsAllowed(WorkloadKind.Environment, from, WorkloadState.Running));
        }
    }

    [Fact]
    public void An_illegal_move_throws() =>
        Assert.Throws<InvalidOperationException>(() =>
            Transitions.Require(WorkloadState.Queued, WorkloadState.Running)
        );
}
