using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Model;

/// <summary>
/// The whole console against a pure model of jobs and hosts, on three hosts with real engines: whatever users, operators and
/// misfortune do, in whatever order, what must hold holds after each step.
/// </summary>
public sealed class RealModelTests(LabFleet fleet, ITestOutputHelper output)
{
    private static readonly int s_steps = FakeModelTests.Number("DEEPLAB_TEST_REAL_STEPS", 150);
    private static readonly TimeSpan s_budget = TimeSpan.FromSeconds(
        FakeModelTests.Number("DEEPLAB_TEST_REAL_SECONDS", 180)
    );

    [Fact(Explicit = true)]
    public async Task Only_in_a_soak_as_a_step_takes_seconds_whatever_comes_every_law_holds_with_real_engines()
    {
        var campaign = new Campaign(
            async ct => await RealLab.StartAsync(fleet, ct),
            Commands.Real,
            TimeSpan.FromMilliseconds(50),
            TimeSpan.FromSeconds(120),
            output
        );
        var done = await campaign.RunAsync(
            s_steps,
            length: 50,
            labs: 1,
            s_budget,
            TestContext.Current.CancellationToken
        );
        Assert.True(done > 0);
    }
}
