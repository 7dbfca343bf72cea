using System.Net;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Jobs over REST, as fault tests need them: one replica of a shell script.</summary>
internal static class ConsoleJobs
{
    public static object Body(string script, int gpus = 0, int maxRestarts = 0) =>
        new
        {
            name = "fault",
            image = "base",
            roles = new[]
            {
                new
                {
                    name = "worker",
                    command = new[] { "sh", "-c", script },
                    resources = new
                    {
                        gpus,
                        cpus = 0.25,
                        memory = "64MiB",
                    },
                },
            },
            restart = new { maxRestarts },
        };

    /// <summary>The new job's id.</summary>
    public static async Task<long> SubmitAsync(this ConsoleProcess console, object body, CancellationToken ct)
    {
        var (status, answer) = await console.PostAsync("/api/v1/jobs", body, ct);
        Assert.True(status == HttpStatusCode.Created, $"{status}: {answer}");
        return (long)answer!["id"]!;
    }

    public static Task UntilRunsAsync(this ConsoleProcess console, long id, CancellationToken ct) =>
        console.UntilSqlAsync($"state = 'Running' from workloads where id = {id}", $"job {id} runs", ct);

    /// <summary>Until every attempt's log is archived and its container removed.</summary>
    public static Task UntilRestAsync(this ConsoleProcess console, CancellationToken ct) =>
        console.UntilSqlAsync(
            """
            not exists (select from workloads where state not in ('Succeeded', 'Failed', 'Stopped'))
              and coalesce((select bool_and(container_removed and log_archived) from attempts), true)
            """,
            "every job ended and every container removed",
            ct
        );
}
