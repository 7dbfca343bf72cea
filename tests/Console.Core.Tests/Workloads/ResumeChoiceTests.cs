using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

/// <summary>Where a new round goes on.</summary>
public sealed class ResumeChoiceTests
{
    private static readonly DateTimeOffset s_noon = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static ResumeCandidate At(long? step, int writtenIn = 1, string? path = null, int minute = 0) =>
        new(path ?? $"step-{step}.pt", step, s_noon.AddMinutes(minute), writtenIn);

    private static PastAttempt Failed(int number, string? from, Reason reason = Reason.ExitedNonZero, int exit = 1) =>
        new(number, from, reason, exit);

    [Fact]
    public void Without_a_checkpoint_it_starts_from_the_beginning()
    {
        var choice = ResumeChoice.Make([], [Failed(1, null)]);
        Assert.Equal((null, false), (choice.From, choice.IsHopeless));
    }

    [Fact]
    public void It_is_the_newest_by_step_and_by_time_where_no_name_tells_a_step()
    {
        Assert.Equal(300, ResumeChoice.Make([At(100), At(300), At(200, minute: 9)], []).From!.Step);
        var unnamed = ResumeChoice.Make([At(null, path: "a.pt", minute: 2), At(null, path: "b.pt", minute: 1)], []);
        Assert.Equal("a.pt", unnamed.From!.Path);
        Assert.Equal(7, ResumeChoice.Make([At(null, path: "best.pt", minute: 5), At(7)], []).From!.Step);
    }

    [Fact]
    public void Two_failures_before_another_was_written_give_one_up_and_then_the_one_before()
    {
        ResumeCandidate[] kept = [At(100), At(200)];
        Assert.Equal(200, ResumeChoice.Make(kept, [Failed(2, "step-200.pt")]).From!.Step);
        PastAttempt[] twice = [Failed(2, "step-200.pt"), Failed(3, "step-200.pt")];
        var choice = ResumeChoice.Make(kept, twice);
        Assert.Equal(100, choice.From!.Step);
        Assert.Equal([200L], choice.PassedOver.Select(c => c.Step!.Value));
        var none = ResumeChoice.Make(kept, [.. twice, Failed(4, "step-100.pt"), Failed(5, "step-100.pt")]);
        Assert.Equal((null, true), (none.From, none.IsHopeless));
    }

    [Fact]
    public void Replicas_of_one_round_fail_once_together() =>
        Assert.Equal(
            200,
            ResumeChoice.Make([At(200)], [Failed(2, "step-200.pt"), Failed(2, "step-200.pt")]).From!.Step
        );

    [Theory]
    [InlineData(Reason.HostLost, 0)]
    [InlineData(Reason.Preempted, 143)]
    [InlineData(Reason.SiblingFailed, 143)]
    [InlineData(Reason.KilledBySignal, 137)]
    public void What_comes_from_outside_speaks_against_no_checkpoint(Reason reason, int exit)
    {
        PastAttempt[] past = [.. Enumerable.Range(2, 5).Select(n => Failed(n, "step-200.pt", reason, exit))];
        Assert.Equal(200, ResumeChoice.Make([At(100), At(200)], past).From!.Step);
    }

    [Fact]
    public void An_attempt_that_wrote_another_one_had_loaded_it()
    {
        PastAttempt[] past = [Failed(2, "step-200.pt"), Failed(3, "step-200.pt")];
        Assert.Equal(250, ResumeChoice.Make([At(200), At(250, writtenIn: 3)], past).From!.Step);
        // And where the newer one goes bad, the older is as good as it was
        PastAttempt[] worse = [.. past, Failed(4, "step-250.pt"), Failed(5, "step-250.pt")];
        Assert.Equal(200, ResumeChoice.Make([At(200), At(250, writtenIn: 3)], worse).From!.Step);
    }
}
