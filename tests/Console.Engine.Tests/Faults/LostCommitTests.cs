using System.Net;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A commit that the database made and whose acknowledgement nobody received: what was submitted is there once.</summary>
public sealed class LostCommitTests
{
    /// <summary>On one connection: a job's row, then the commit that makes it durable.</summary>
    private static readonly string[] s_submit = ["INSERT INTO workloads", "COMMIT"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null)]
    [InlineData("the-key")]
    public async Task A_submit_whose_commit_is_not_acknowledged_makes_one_job(string? key)
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await using var proxy = console.PutProxyBeforeDatabase();
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var cut = proxy.CutAfterAnswerTo(s_submit);
        var (status, answer) = await console.PostAsync("/api/v1/jobs", ConsoleJobs.Body("true"), Ct, key);
        Assert.True(cut.IsCompletedSuccessfully, "the commit was never cut off");
        // Tried again inside, and found to be done
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Equal(
            [(string)answer!["id"]!.ToString()],
            await Invariants.ColumnAsync(console.Sql, "select id::text from workloads", Ct)
        );
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync((long)answer["id"]!, Ct))["state"]);
    }

    [Fact]
    public async Task A_submit_across_a_crash_of_the_database_makes_one_job_for_one_key()
    {
        await using var postgres = await PrivatePostgres.StartAsync(Ct);
        await using var console = await ConsoleProcess.CreateAsync(Ct, ("DEEPLAB_DB", postgres.ConnectionString));
        await using var proxy = console.PutProxyBeforeDatabase();
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var cut = proxy.CutAfterAnswerTo(s_submit);
        var first = console.PostAsync("/api/v1/jobs", ConsoleJobs.Body("true"), Ct, "crash");
        await cut.WaitAsync(Ct);
        proxy.Cut();
        await postgres.CrashAsync(Ct);
        var (status, _) = await first;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        await postgres.UpAsync(Ct);
        proxy.Heal();

        var (again, answer) = await UntilTakenAsync(console);
        // The first try made it, though its client was told to come back
        Assert.Equal(HttpStatusCode.OK, again);
        var (_, third) = await console.PostAsync("/api/v1/jobs", ConsoleJobs.Body("true"), Ct, "crash");
        Assert.Equal((long)answer!["id"]!, (long)third!["id"]!);
        Assert.Equal("Succeeded", (string?)(await console.WaitForEndAsync((long)answer["id"]!, Ct))["state"]);
        var (_, list) = await console.GetAsync("/api/v1/jobs", Ct);
        Assert.Single(list!["items"]!.AsArray());
    }

    private static async Task<(HttpStatusCode, System.Text.Json.Nodes.JsonNode?)> UntilTakenAsync(
        ConsoleProcess console
    )
    {
        while (true)
        {
            var (status, answer) = await console.PostAsync("/api/v1/jobs", ConsoleJobs.Body("true"), Ct, "crash");
            if (status != HttpStatusCode.ServiceUnavailable)
            {
                return (status, answer);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(200), Ct);
        }
    }
}
