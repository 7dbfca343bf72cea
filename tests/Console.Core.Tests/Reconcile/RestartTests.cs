using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

/// <summary>Who is started again after an end, and how often.</summary>
public sealed class RestartTests
{
    private static Workload Running(int restarts = 0, int interruptions = 0) =>
        new()
        {
            Name = "a",
            OwnerName = "ada",
            SpecJson = "{}",
            SpecHash = "",
            State = WorkloadState.Running,
            Restarts = restarts,
            Interruptions = interruptions,
        };

    private static JobSpec Spec(int maxRestarts = 2, string topology = "array", params RoleSpec[] roles) =>
        new()
        {
            Name = "a",
            Image = "base",
            Topology = Enum.Parse<Topology>(topology, ignoreCase: true),
            Roles =
                roles.Length > 0
                    ? [.. roles]
                    :
                    [
                        new RoleSpec
                        {
                            Name = "task",
                            Replicas = 2,
                            RestartScope = RestartScope.Replica,
                        },
                    ],
            Restart = new RestartSpec { MaxRestarts = maxRestarts },
        };

    private static Attempt At(string replica, AttemptState state, Reason reason = Reason.None) =>
        new()
        {
            ReplicaName = replica,
            ReplicaId = Topologies.IndexOf(replica) + 1,
            ContainerName = replica,
            Number = 1,
            State = state,
            Reason = reason,
        };

    /// <summary>Task 0 runs, and task 1 has ended so.</summary>
    private static Restart? After(Workload w, JobSpec spec, Reason end)
    {
        var ended = At("task-1", AttemptState.Exited, end);
        return Restart.InPlace(w, spec, [At("task-0", AttemptState.Running), ended], ended);
    }

    [Fact]
    public void A_replica_whose_scope_it_is_starts_again_alone_within_the_jobs_budget()
    {
        Assert.Equal(new Restart(false, 1, 2), After(Running(), Spec(), Reason.ExitedNonZero));
        Assert.Equal(new Restart(false, 2, 2), After(Running(restarts: 1), Spec(), Reason.ExitedNonZero));
        Assert.Null(After(Running(restarts: 2), Spec(), Reason.ExitedNonZero));
        Assert.Null(After(Running(), Spec(maxRestarts: 0), Reason.ExitedNonZero));
    }

    [Fact]
    public void An_interruption_counts_apart()
    {
        Assert.Equal(new Restart(true, 1, 10), After(Running(restarts: 2), Spec(), Reason.ContainerLost));
        Assert.Null(After(Running(interruptions: 10), Spec(), Reason.ContainerLost));
    }

    [Theory]
    [InlineData(Reason.HostLost)]
    [InlineData(Reason.GpuFailed)]
    [InlineData(Reason.NetworkFailed)]
    [InlineData(Reason.ImageNotFound)]
    [InlineData(Reason.Completed)]
    [InlineData(Reason.SiblingFailed)]
    public void Not_where_its_place_had_part_in_the_end_or_nothing_is_to_be_mended(Reason end) =>
        Assert.Null(After(Running(), Spec(), end));

    [Theory]
    [InlineData(WorkloadState.Stopping, DesiredState.Run)]
    [InlineData(WorkloadState.Running, DesiredState.Stop)]
    [InlineData(WorkloadState.Running, DesiredState.Requeue)]
    public void Not_where_its_job_is_to_end(WorkloadState state, DesiredState desired)
    {
        var w = Running();
        (w.State, w.Desired) = (state, desired);
        Assert.Null(After(w, Spec(), Reason.ExitedNonZero));
    }

    [Fact]
    public void Each_role_has_a_scope_of_its_own_and_nobody_waits_for_an_evaluator_of_what_is_done()
    {
        var chief = new RoleSpec { Name = "chief" };
        var evaluator = new RoleSpec { Name = "evaluator", RestartScope = RestartScope.Replica };
        var spec = Spec(2, "chiefEvaluator", chief, evaluator);
        var (runs, done, dead) = (
            At("chief-0", AttemptState.Running),
            At("chief-0", AttemptState.Exited, Reason.Completed),
            At("chief-0", AttemptState.Exited, Reason.OutOfMemory)
        );
        var ended = At("evaluator-0", AttemptState.Exited, Reason.ExitedNonZero);
        Assert.NotNull(Restart.InPlace(Running(), spec, [runs, ended], ended));
        Assert.Null(Restart.InPlace(Running(), spec, [done, ended], ended));
        Assert.Null(Restart.InPlace(Running(), spec, [dead, At("evaluator-0", AttemptState.Running)], dead));
    }

    [Fact]
    public void One_of_a_host_that_was_given_up_may_start_elsewhere()
    {
        var ended = At("task-1", AttemptState.Lost, Reason.HostLost);
        Attempt[] round = [At("task-0", AttemptState.Running), ended];
        Assert.Null(Restart.InPlace(Running(), Spec(), round, ended));
        Assert.Equal(new Restart(true, 1, 10), Restart.Alone(Running(), Spec(), round, ended));
        var gang = Spec(2, "array", new RoleSpec { Name = "task", Replicas = 2 });
        Assert.Null(Restart.Alone(Running(), gang, round, ended));
    }

    [Fact]
    public void A_blow_to_a_host_is_one_interruption_however_many_replicas_it_ends()
    {
        var at = DateTimeOffset.UnixEpoch;
        Attempt Ended(string replica, double seconds, Reason reason)
        {
            var ended = At(replica, AttemptState.Exited, reason);
            ended.EndedAt = at.AddSeconds(seconds);
            return ended;
        }
        var (first, again) = (Ended("task-0", 0, Reason.EngineStopped), At("task-0", AttemptState.Leased));
        again.Number = 2;
        var w = Running(interruptions: 10);
        foreach (
            var (seconds, reason, restarts) in new[]
            {
                (3.0, Reason.EngineStopped, true),
                (300.0, Reason.EngineStopped, false),
                (3.0, Reason.ContainerLost, false),
            }
        )
        {
            var second = Ended("task-1", seconds, reason);
            var restart = Restart.InPlace(w, Spec(), [first, second, again], second);
            Assert.Equal(restarts ? new Restart(true, 10, 10) : null, restart);
        }
        // Who was not started again did not count
        var alone = Ended("task-1", 3, Reason.EngineStopped);
        Assert.Null(Restart.InPlace(w, Spec(), [first, alone, At("task-2", AttemptState.Running)], alone));
    }

    [Fact]
    public void Pauses_double_up_to_five_minutes() =>
        Assert.Equal(
            [1, 2, 4, 300],
            ((int[])[1, 2, 3, 50]).Select(n => (int)new Restart(false, n, 100).Pause.TotalSeconds)
        );

    [Fact]
    public void What_counts_of_a_round_is_the_last_attempt_of_each_replica()
    {
        var first = At("task-1", AttemptState.Exited, Reason.ExitedNonZero);
        var second = At("task-1", AttemptState.Running);
        second.Number = 2;
        var other = At("task-0", AttemptState.Running);
        Assert.Equal([second, other], Rollup.LastOfEach([first, other, second]));
    }
}
