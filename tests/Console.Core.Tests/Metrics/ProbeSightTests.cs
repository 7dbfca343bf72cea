using DeepLab.Core.Metrics;

namespace DeepLab.Core.Tests.Metrics;

public sealed class ProbeSightTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(1);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Only_a_look_that_began_after_the_question_answers_it()
    {
        var sight = new ProbeSight();
        sight.GpuRoundBegins();
        var waits = sight.NextGpuRoundAsync(s_long, TimeProvider.System, Ct);
        // This one was under way and may have passed the GPU in question
        sight.GpuRoundEnds();
        Assert.False(waits.IsCompleted);
        sight.GpuRoundBegins();
        Assert.False(waits.IsCompleted);
        sight.GpuRoundEnds();
        await waits;
    }

    [Fact]
    public async Task A_probe_that_says_nothing_holds_nobody_up_for_ever() =>
        await new ProbeSight().NextGpuRoundAsync(TimeSpan.FromMilliseconds(20), TimeProvider.System, Ct);
}
