using System.Globalization;

namespace DeepLab.Engine.Tests.Model;

/// <summary>
/// The control loop against a pure model of jobs and hosts: whatever users, operators and misfortune do, in whatever order,
/// what must hold holds after each step.
/// </summary>
public sealed class FakeModelTests(ITestOutputHelper output)
{
    private static readonly int s_steps = Number("DEEPLAB_TEST_MODEL_STEPS", 100_000);
    private static readonly int s_labs = Number("DEEPLAB_TEST_MODEL_LABS", 2 * Environment.ProcessorCount);
    private static readonly TimeSpan s_budget = TimeSpan.FromSeconds(Number("DEEPLAB_TEST_MODEL_SECONDS", 60));

    [Fact]
    public async Task Whatever_comes_every_law_holds_with_engines_in_memory()
    {
        var campaign = new Campaign(
            async ct => await FakeLab.StartAsync(ct),
            Commands.Fake,
            TimeSpan.FromMilliseconds(200),
            TimeSpan.FromMinutes(20),
            output
        );
        var done = await campaign.RunAsync(
            s_steps,
            length: 100,
            s_labs,
            s_budget,
            TestContext.Current.CancellationToken
        );
        Assert.True(done > 0);
    }

    internal static int Number(string name, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var n) ? n : fallback;
}
