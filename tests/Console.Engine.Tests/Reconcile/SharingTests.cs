using System.Globalization;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Reconcile;

/// <summary>Two teams on eight GPUs of a real engine: shares, quotas, and who gives way to whom.</summary>
public sealed class SharingTests(ITestOutputHelper output)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private const int WholeBacklog = 200;
    private const int JobSeconds = 4;

    /// <summary>Short jobs in the backlog: 64 in an ordinary run, 200 in a soak.</summary>
    private static int Backlog { get; } =
        int.Parse(Environment.GetEnvironmentVariable("DEEPLAB_TEST_BACKLOG") ?? "64", CultureInfo.InvariantCulture);

    [Fact]
    public async Task Two_teams_share_eight_gpus_by_their_quotas_while_both_want_them()
    {
        await using var host = await LabHost.UpAsync(8, Ct);
        await using var console = await ConsoleHarness.StartAsync(Ct, o => o with { DockerHost = host.Address });
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 8, s_patience, Ct);
        await TeamAsync(console, "large", 6);
        await TeamAsync(console, "small", 2);
        // Nothing starts before the whole backlog is there: the first eight would have the GPUs as they come, four and four
        var name = console.Options.HostName;
        await Done(Verb<DrainHost>(console).RunAsync(ConsoleHarness.Admin, name, null, Ct));
        var jobs = new List<long>();
        for (var i = 0; i < Backlog; i++)
        {
            // Preemptible, so that a quota is no wall: who gets what is a matter of the order alone
            var spec = Specs.Shell($"sleep {JobSeconds}", gpus: 1, cpus: 0.05) with
            {
                Team = i % 2 == 0 ? "large" : "small",
                Preemptible = true,
            };
            jobs.Add(await console.SubmitAsync(spec, Ct));
        }
        await Done(Verb<ActivateHost>(console).RunAsync(ConsoleHarness.Admin, name, Ct));
        foreach (var id in jobs)
        {
            Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, s_patience, Ct)).Row.State);
        }
        await using var db = await console.DbAsync(Ct);
        var leases = await db
            .Leases.AsNoTracking()
            .Join(
                db.Workloads,
                l => l.WorkloadId,
                w => w.Id,
                (l, w) =>
                    new
                    {
                        l.LeasedAt,
                        l.ReleasedAt,
                        w.TeamName,
                    }
            )
            .ToListAsync(Ct);
        // While both had jobs that waited: from when all eight were taken until the team that ran out first leased its last
        var from = leases.OrderBy(l => l.LeasedAt).ElementAt(7).LeasedAt;
        var until = leases.GroupBy(l => l.TeamName).Min(t => t.Max(l => l.LeasedAt));
        double Held(string team) =>
            leases
                .Where(l => l.TeamName == team)
                .Sum(l => Math.Max(0, (Min(l.ReleasedAt!.Value, until) - Max(l.LeasedAt, from)).TotalSeconds));
        var (large, small) = (Held("large"), Held("small"));
        output.WriteLine($"{Backlog} jobs: {large:0.0} and {small:0.0} GPU-seconds, ratio {large / small:0.00}");
        // Within a tenth over a whole backlog; a short one is off by up to a job more, where the window cuts through it
        var off = 0.1 + (Backlog < WholeBacklog ? JobSeconds / small : 0);
        Assert.InRange(large / small, 3 * (1 - off), 3 * (1 + off));
    }

    [Fact]
    public async Task An_urgent_job_takes_the_place_of_a_preemptible_one_which_resumes_from_its_checkpoint()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        await console.UntilAsync(async db => await db.Gpus.CountAsync(Ct) == 4, s_patience, Ct);
        const string Program =
            "cd $DEEPLAB_CHECKPOINT_DIR; [ -f step ] && echo resumed from $(cat step) && exit; echo 41 > step; echo kept; sleep 600";
        var victim = await console.SubmitAsync(
            Specs.Shell(Program, gpus: 4) with
            {
                Preemptible = true,
                Priority = 10,
                Checkpoint = new CheckpointSpec(),
            },
            Ct
        );
        await console.UntilAsync(
            db => db.Workloads.AnyAsync(w => w.Id == victim && w.State == WorkloadState.Running, Ct),
            s_patience,
            Ct
        );
        await console.UntilLineAsync(await AttemptAsync(console, victim), "kept", s_patience, Ct);
        var modest = await console.SubmitAsync(Specs.Shell("true", gpus: 4) with { Priority = 10 }, Ct);
        await console.UntilAsync(
            async db =>
                (await db.Workloads.AsNoTracking().SingleAsync(w => w.Id == modest, Ct)).Waits
                    is [{ Kind: WaitKind.NotEnoughGpus }, ..],
            s_patience,
            Ct
        );

        var urgent = await console.SubmitAsync(Specs.Shell("sleep 1", gpus: 2) with { Priority = 90 }, Ct);

        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(urgent, s_patience, Ct)).Row.State);
        var job = await console.WaitForEndAsync(victim, s_patience, Ct);
        Assert.Equal((WorkloadState.Succeeded, 0, 1), (job.Row.State, job.Restarts, job.Preemptions));
        Assert.Equal([Reason.Preempted, Reason.Completed], Assert.Single(job.Replicas).Attempts.Select(a => a.Reason));
        await console.UntilLineAsync(await AttemptAsync(console, victim), "resumed from 41", s_patience, Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(modest, s_patience, Ct)).Row.State);
    }

    private static async Task<long> AttemptAsync(ConsoleHarness console, long id) =>
        (
            await console
                .Services.GetRequiredService<JobQueries>()
                .FindAttemptAsync(ConsoleHarness.Admin, id, null, null, Ct)
        )!.Id;

    private static Task TeamAsync(ConsoleHarness console, string name, int gpus) =>
        Done(
            Verb<TeamVerbs>(console)
                .CreateAsync(ConsoleHarness.Admin, name, new TeamChange(null, new Quota(Gpus: gpus), null), Ct)
        );

    private static async Task Done(Task<Outcome<string>> verb) => Assert.IsType<Outcome<string>.Done>(await verb);

    private static T Verb<T>(ConsoleHarness console)
        where T : notnull => console.Services.GetRequiredService<T>();

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
