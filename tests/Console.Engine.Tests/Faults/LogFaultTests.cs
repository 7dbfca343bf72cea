using System.Net;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Logs that no text editor would like, and a console that dies while it takes one in.</summary>
public sealed class LogFaultTests
{
    private const int LongLine = 10 << 20;
    private const int LongestKept = 1 << 20;
    private const int FastLines = 200_000;
    private const int Kills = 2;
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Bytes that are no text, a line longer than is kept, a line that comes in pieces, progress bars and colours.</summary>
    private static readonly string s_program = string.Join(
        "; ",
        "echo begin",
        $"head -c {LongLine} /dev/zero | tr '\\0' x; echo",
        "echo after the long line",
        "head -c 40000 /dev/zero | tr '\\0' y; sleep 0.3; echo ' and its end'",
        "printf 'one '; sleep 0.3; printf 'two '; sleep 0.3; echo three",
        "printf 'binary \\377\\376\\000\\001\\200 end\\n'",
        "printf '\\rstep 1\\rstep 2\\rstep 3\\n'",
        "printf 'windows\\r\\n'",
        "printf '\\033[31mred\\033[0m \\033[2J\\033]0;title\\007plain\\n'",
        "printf '\\n'",
        "printf 'no newline at the end'"
    );

    [Fact]
    public async Task Long_lines_are_joined_and_cut_and_bytes_that_are_no_text_break_nothing()
    {
        await using var console = await ConsoleHarness.StartAsync(Ct);
        var id = await console.SubmitAsync(Specs.Shell(s_program), Ct);
        Assert.Equal(WorkloadState.Succeeded, (await console.WaitForEndAsync(id, Ct)).Row.State);
        await console.UntilCleanAsync(Ct);

        var attempt = await console.AttemptAsync(id, Ct);
        var lines = await console.Services.GetRequiredService<LogReader>().ReadAsync(attempt.Id, 0, 1000, Ct);

        Assert.DoesNotContain(lines, l => l.IsGap);
        Assert.Equal(Enumerable.Range(0, lines.Count).Select(i => (long)i), lines.Select(l => l.Number));
        Assert.Equal(
            [
                "begin",
                new string('x', LongestKept) + $" … [cut here: {LongLine - LongestKept:N0} more bytes of this line]",
                "after the long line",
                new string('y', 40000) + " and its end",
                "one two three",
                "binary \uFFFD\uFFFD\0\u0001\uFFFD end",
                "\rstep 1\rstep 2\rstep 3",
                "windows",
                "\u001b[31mred\u001b[0m \u001b[2J\u001b]0;title\aplain",
                "",
                "no newline at the end",
            ],
            lines.Select(l => l.Text)
        );
        // Stamps never run backwards: that is what a search by time goes by
        Assert.Equal(lines.Select(l => l.UnixNanos).Order(), lines.Select(l => l.UnixNanos));
    }

    [Fact]
    public async Task A_console_that_is_killed_while_it_takes_in_a_fast_log_has_every_line_once_in_the_end()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        await console.StartAsync(Ct);
        await console.SignInAsync(Ct);
        var (status, answer) = await console.PostAsync(
            "/api/v1/jobs",
            new
            {
                name = "fast",
                image = "base",
                roles = new[]
                {
                    new
                    {
                        name = "worker",
                        command = new[]
                        {
                            "sh",
                            "-c",
                            $"i=0; while [ $i -lt {FastLines} ]; do seq $((i + 1)) $((i + 1000)); i=$((i + 1000)); sleep 0.05; done",
                        },
                        resources = new { cpus = 0.25, memory = "64MiB" },
                    },
                },
            },
            Ct
        );
        Assert.Equal(HttpStatusCode.Created, status);
        var id = (long)answer!["id"]!;
        for (var kill = 1; kill <= Kills; kill++)
        {
            var lines = FastLines * kill / (Kills + 2);
            await console.UntilSqlAsync($"max(lines) > {lines} from log_cursors", "lines are stored", Ct);
            await console.KillAsync(Ct);
            // It died in the middle: neither was its log at its end nor is it now
            Assert.False(
                await Invariants.ScalarAsync<bool>(console.Sql, "select bool_or(complete) from log_cursors", Ct)
            );
            await console.StartAsync(Ct);
        }
        var job = await console.WaitForEndAsync(id, Ct);
        Assert.Equal("Succeeded", (string?)job["state"]);
        await console.UntilSqlAsync("bool_and(log_archived) from attempts", "the log is archived", Ct);

        var log = await console.TextAsync($"/api/v1/jobs/{id}/logs", Ct);

        Assert.Equal(
            Enumerable.Range(1, FastLines),
            log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)
        );
    }
}
