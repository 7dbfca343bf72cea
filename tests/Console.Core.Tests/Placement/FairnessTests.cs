using DeepLab.Core.Placement;
using static DeepLab.Core.Tests.Placement.Fleets;

namespace DeepLab.Core.Tests.Placement;

/// <summary>Over hours: nobody starves, and teams get their parts.</summary>
public sealed class FairnessTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_stream_of_small_jobs_does_not_starve_a_large_one(bool promised)
    {
        var lab = new Simulation(new FleetSnapshot([Host("a", 4), Host("b", 4)]));
        for (var i = 0; i < 240; i++)
        {
            var runs = TimeSpan.FromMinutes(10 + (i * 7 % 20));
            lab.Submit(Now.AddMinutes(i * 2.5), Job(i + 1, 1) with { MaxDuration = promised ? runs : null }, runs);
        }
        lab.Submit(Now.AddMinutes(60), Job(1000, 4), TimeSpan.FromHours(1));
        lab.RunUntil(Now.AddHours(10));
        // All that ran when it came end within 30 minutes
        Assert.InRange(lab.Started[1000], Now.AddMinutes(60), Now.AddMinutes(60 + 45));
    }

    [Fact]
    public void Waiting_makes_up_for_a_low_priority()
    {
        var lab = new Simulation(new FleetSnapshot([Host("a", 1)]));
        for (var i = 0; i < 400; i++)
        {
            lab.Submit(Now.AddMinutes(i * 5), Job(i + 1, 1, priority: 60), TimeSpan.FromMinutes(6));
        }
        lab.Submit(Now, Job(1000, 1, priority: 50), TimeSpan.FromMinutes(6));
        lab.RunUntil(Now.AddHours(30));
        Assert.True(lab.Started.TryGetValue(1000, out var started), "it never started");
        // Behind ten points, a point for each ten minutes, and what had come before by then
        Assert.InRange(started, Now.AddMinutes(90), Now.AddHours(16));
    }

    [Fact]
    public void Quotas_of_six_and_two_are_served_three_to_one()
    {
        var lab = new Simulation(new FleetSnapshot([Host("a", 8)]) { Teams = [Team("a", 6), Team("b", 2)] });
        for (var i = 0; i < 400; i++)
        {
            var job = Job(i + 1, 1) with { Team = i < 200 ? "b" : "a", Preemptible = i % 2 == 0 };
            lab.Submit(Now, job, TimeSpan.FromMinutes(4 + (i % 3)));
        }
        lab.RunUntil(Now.AddMinutes(140));
        Assert.InRange(lab.GpuSeconds["a"] / lab.GpuSeconds["b"], 2.7, 3.3);
    }

    [Fact]
    public void Weights_alone_are_served_in_proportion()
    {
        var lab = new Simulation(new FleetSnapshot([Host("a", 8)]) { Teams = [Team("a", weight: 3), Team("b")] });
        for (var i = 0; i < 400; i++)
        {
            lab.Submit(Now, Job(i + 1, 1) with { Team = i < 200 ? "b" : "a" }, TimeSpan.FromMinutes(4 + (i % 3)));
        }
        lab.RunUntil(Now.AddMinutes(140));
        Assert.InRange(lab.GpuSeconds["a"] / lab.GpuSeconds["b"], 2.7, 3.3);
    }
}
