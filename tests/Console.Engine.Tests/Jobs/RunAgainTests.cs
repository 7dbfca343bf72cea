using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Jobs;

/// <summary>A run whose image came from no registry, and whose name was given to another image since.</summary>
public sealed class RunAgainTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static Task<string> DockerAsync(params string[] arguments) =>
        Shell.DockerAsync(ConsoleHarness.Engine, Ct, arguments);

    /// <summary>Gives a name to an image that says a word of its own; answers its id.</summary>
    private static async Task<string> TagAsync(string name, string word)
    {
        var container = (await DockerAsync("create", "deeplab/base:13", "true")).Trim();
        try
        {
            return (await DockerAsync("commit", "--change", $"ENV WHICH={word}", container, name)).Trim();
        }
        finally
        {
            await DockerAsync("rm", container);
        }
    }

    [Fact]
    public async Task It_runs_the_image_of_then_and_a_clone_that_of_now()
    {
        var name = $"again-{Guid.NewGuid():N}:1";
        var then = await TagAsync(name, "then");
        var now = "";
        try
        {
            await using var console = await ConsoleHarness.StartAsync(Ct);
            T Get<T>()
                where T : notnull => console.Services.GetRequiredService<T>();
            async Task<Attempt> RanAsync(long id, string word)
            {
                var job = await console.WaitForEndAsync(id, Ct);
                Assert.Equal((WorkloadState.Succeeded, "A100"), (job.Row.State, ModelOf(job.Row)));
                var attempt = await console.AttemptAsync(id, Ct);
                await console.UntilLineAsync(attempt.Id, word, s_patience, Ct);
                return attempt;
            }
            await console.UntilAsync(db => db.Hosts.AnyAsync(h => h.Images.Contains(then), Ct), s_patience, Ct);
            var first = await console.SubmitAsync(Specs.Shell("echo $WHICH", gpus: 1, image: name), Ct);
            Assert.Equal(then, (await RanAsync(first, "then")).ImageId);

            now = await TagAsync(name, "now");
            var again = await Get<RunJobAgain>().RunAsync(ConsoleHarness.Admin, first, Ct);
            var second = Assert.IsType<Outcome<Submitted>.Done>(again).Value.Id;
            Assert.Equal(then, (await RanAsync(second, "then")).ImageId);
            var cloned = await Get<CloneJob>().RunAsync(ConsoleHarness.Admin, first, Ct);
            var third = Assert.IsType<Outcome<Submitted>.Done>(cloned).Value.Id;
            Assert.Equal(now, (await RanAsync(third, "now")).ImageId);

            var compared = await Get<CompareJobs>()
                .RunAsync(ConsoleHarness.Admin, [first, second, third], null, new KnownCurves(), Ct);
            var image = Assert.Single(compared.Fields.Differs, f => f.Path == "imageId");
            Assert.Equal([then, then, now], image.Values);
            Assert.Contains(compared.Fields.Equal, f => f is { Kind: FieldKind.Machines, Path: "hosts" });
        }
        finally
        {
            await DockerAsync(["rmi", "-f", then, .. now.Length > 0 ? (string[])[now] : []]);
        }
    }

    [Fact]
    public async Task Peers_start_what_their_image_starts_by_itself_and_know_each_other_in_its_first_line()
    {
        var name = $"entry-{Guid.NewGuid():N}:1";
        var container = (await DockerAsync("create", "deeplab/base:13", "true")).Trim();
        await DockerAsync(
            "commit",
            "--change",
            "ENTRYPOINT [\"sh\", \"-c\", \"getent hosts worker-0 worker-1 | wc -l; echo entry $0 $1; sleep 3\"]",
            "--change",
            "CMD [\"own\", \"command\"]",
            container,
            name
        );
        try
        {
            await DockerAsync("rm", container);
            await using var console = await ConsoleHarness.StartAsync(Ct);
            var spec = Specs.Shell("", replicas: 2, image: name);
            foreach (var command in new[] { "", "another one" })
            {
                var words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                var id = await console.SubmitAsync(
                    spec with
                    {
                        Roles = [spec.Roles[0] with { Command = [.. words] }],
                    },
                    Ct
                );
                var job = await console.WaitForEndAsync(id, Ct);
                Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
                foreach (var attempt in job.Replicas.Select(r => r.Attempts[0]))
                {
                    await console.UntilLineAsync(attempt.Id, "2", s_patience, Ct);
                    await console.UntilLineAsync(
                        attempt.Id,
                        words.Length == 0 ? "entry own command" : "entry another one",
                        s_patience,
                        Ct
                    );
                }
            }
        }
        finally
        {
            await DockerAsync("rmi", "-f", name);
        }
    }

    [Fact]
    public async Task Each_role_runs_the_image_that_it_names_and_again_that_of_then()
    {
        var name = $"role-{Guid.NewGuid():N}:1";
        var then = await TagAsync(name, "then");
        var now = "";
        try
        {
            await using var console = await ConsoleHarness.StartAsync(Ct);
            var servers = Specs.Shell("echo $WHICH; exec sleep 600").Roles[0] with { Name = "ps", Image = name };
            var spec = Specs.Shell("echo ${WHICH:-plain}; sleep 1") with { Topology = Topology.ParameterServers };
            spec = spec with { Roles = [servers, spec.Roles[0]] };
            var first = await console.SubmitAsync(spec, Ct);
            await RanAsync(first);

            now = await TagAsync(name, "now");
            var again = await console
                .Services.GetRequiredService<RunJobAgain>()
                .RunAsync(ConsoleHarness.Admin, first, Ct);
            await RanAsync(Assert.IsType<Outcome<Submitted>.Done>(again).Value.Id);

            async Task RanAsync(long id)
            {
                var job = await console.WaitForEndAsync(id, Ct);
                Assert.True(job.Row.State == WorkloadState.Succeeded, job.Row.Message);
                foreach (var replica in job.Replicas)
                {
                    var attempt = Assert.Single(replica.Attempts);
                    Assert.Equal(replica.Role == "ps", attempt.ImageId == then);
                    await console.UntilLineAsync(attempt.Id, replica.Role == "ps" ? "then" : "plain", s_patience, Ct);
                }
            }
        }
        finally
        {
            await DockerAsync(["rmi", "-f", then, .. now.Length > 0 ? (string[])[now] : []]);
        }
    }

    private static string ModelOf(JobRow row) =>
        row.GpuModels.Contains("A100", StringComparison.Ordinal) ? "A100" : row.GpuModels;
}
