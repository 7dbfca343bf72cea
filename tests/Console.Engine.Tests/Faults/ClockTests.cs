using System.Reflection;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Clocks that are wrong, or are set while jobs run: of the console's machine, and of a host.</summary>
public sealed class ClockTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(10, 0)]
    [InlineData(-10, 0)]
    [InlineData(0, -60)]
    public async Task A_wrong_clock_of_the_console_ends_no_job_early_or_late(int minutesOff, int thenMinutes)
    {
        var local = new ShiftedTime { Shift = TimeSpan.FromMinutes(minutesOff) };
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            services: s => s.AddSingleton(new DatabaseClock(local))
        );
        var epoch = await EpochAsync(console);
        var limit = TimeSpan.FromSeconds(4);
        var limited = await console.SubmitAsync(Specs.Shell("sleep 600") with { MaxDuration = limit }, Ct);
        var free = await console.SubmitAsync(Specs.Shell("sleep 5"), Ct);
        await console.UntilAsync(
            db => db.Workloads.AllAsync(w => w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        local.Shift += TimeSpan.FromMinutes(thenMinutes);

        var (stopped, ended) = (await console.WaitForEndAsync(limited, Ct), await console.WaitForEndAsync(free, Ct));
        Assert.Equal(Reason.MaxDurationReached, stopped.Row.Reason);
        Assert.Equal(WorkloadState.Succeeded, ended.Row.State);
        await using var db = await console.DbAsync(Ct);
        var times = await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == limited, Ct);
        // A stop takes its time; ten minutes it does not take
        Assert.InRange((times.StopRequestedAt - times.StartedAt)!.Value, limit, limit + TimeSpan.FromSeconds(8));
        // What is written is the database's time, whatever this machine thinks
        var now = await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(Ct);
        Assert.All(
            await db.Workloads.AsNoTracking().ToListAsync(Ct),
            w => Assert.InRange((now - w.EndedAt)!.Value, TimeSpan.FromSeconds(-2), TimeSpan.FromSeconds(60))
        );
        // Ended once each, under one term
        foreach (var id in (long[])[limited, free])
        {
            Assert.Equal(1, await db.Events.CountAsync(e => e.WorkloadId == id && e.Kind == "ended", Ct));
            Assert.Equal(1, await db.Events.CountAsync(e => e.WorkloadId == id && e.Kind == "exited", Ct));
        }
        Assert.Equal(epoch, await EpochAsync(console));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(-10)]
    public async Task A_host_whose_clock_is_ten_minutes_off_is_told_and_takes_no_work(int minutesOff)
    {
        await using var console = await ConsoleHarness.StartAsync(
            Ct,
            services: s =>
            {
                s.AddSingleton<EngineFactory>();
                s.AddSingleton<IEngineFactory>(p => new OffEngines(
                    p.GetRequiredService<EngineFactory>(),
                    TimeSpan.FromMinutes(minutesOff)
                ));
            }
        );
        var id = await console.SubmitAsync(Specs.Shell("true"), Ct);
        await console.UntilAsync(db => db.Workloads.AnyAsync(w => w.Id == id && w.Waits.Count > 0, Ct), s_patience, Ct);
        await using var db = await console.DbAsync(Ct);
        var host = await db.Hosts.AsNoTracking().SingleAsync(Ct);
        var clock = Assert.Single(host.Preflight!.Findings, f => f.Check == "clock");
        Assert.Equal(FindingSeverity.Error, clock.Severity);
        Assert.Contains(minutesOff > 0 ? "ahead of" : "behind", clock.Message);
        Assert.Contains("chrony", clock.Action);
        Assert.Equal(WorkloadState.Queued, (await db.Workloads.AsNoTracking().SingleAsync(Ct)).State);
    }

    private static async Task<long> EpochAsync(ConsoleHarness console)
    {
        await using var db = await console.DbAsync(Ct);
        return (await db.Leaders.AsNoTracking().SingleAsync(Ct)).Epoch;
    }

    /// <summary>The clock of a machine that nobody looks after. Its monotonic one is sound, as it is there.</summary>
    private sealed class ShiftedTime : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Shift;
    }

    /// <summary>Real engines of hosts whose clock is off: a container's host cannot be given another clock.</summary>
    private sealed class OffEngines(EngineFactory real, TimeSpan off) : IEngineFactory
    {
        public IContainerEngine Get(string address, string? sealedCredentials = null) =>
            OffEngine.Of(real.Get(address, sealedCredentials), off);
    }

#pragma warning disable CA1852 // The proxy is a subtype, made at run time
    private class OffEngine : DispatchProxy
#pragma warning restore CA1852
    {
        private IContainerEngine _real = null!;
        private TimeSpan _off;

        public static IContainerEngine Of(IContainerEngine real, TimeSpan off)
        {
            var engine = Create<IContainerEngine, OffEngine>();
            ((OffEngine)(object)engine)._real = real;
            ((OffEngine)(object)engine)._off = off;
            return engine;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            var answer = targetMethod!.Invoke(_real, BindingFlags.DoNotWrapExceptions, null, args, null);
            return answer is Task<EngineInfo> info ? OffAsync(info) : answer;
        }

        private async Task<EngineInfo> OffAsync(Task<EngineInfo> told)
        {
            var info = await told;
            return info with { SystemTime = info.SystemTime + _off };
        }
    }
}
