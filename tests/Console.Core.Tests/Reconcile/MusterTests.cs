using System.Diagnostics;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Tests.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

/// <summary>What holds replicas until they know each other's names. The script is run as it is, by this machine's shell.</summary>
public sealed class MusterTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("muster");
    private static readonly string[] s_program = ["echo", "began", "with two words"];

    private string List => Path.Combine(_folder.FullName, "replicas");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("peers", "worker:1", false)]
    [InlineData("array", "task:3", false)]
    [InlineData("peers", "worker:2", true)]
    [InlineData("parameterServers", "ps:1 worker:1", true)]
    [InlineData("chiefEvaluator", "chief:1 evaluator:1", true)]
    public void Those_that_meet_nobody_are_not_held(string topology, string roles, bool held)
    {
        var spec = TopologyTests.Read(topology, roles).Spec!;
        Assert.Equal((held, held), (Muster.IsFor(spec), Muster.Holds(spec)));
        Assert.Equal(held, Muster.Files(spec).Count > 0);
    }

    [Fact]
    public void Mpi_waits_in_its_own_start()
    {
        var spec = TopologyTests.Read("mpi", "mpi:2").Spec!;
        Assert.Equal((true, false), (Muster.IsFor(spec), Muster.Holds(spec)));
    }

    [Fact]
    public void What_the_image_starts_by_itself_comes_after_the_script()
    {
        var image = new ImageInfo("sha256:1", "i", 1, new Dictionary<string, string>())
        {
            Entrypoint = ["tini", "--"],
            Command = ["serve"],
        };
        var own = Muster.Held(Plan(), image);
        Assert.Equal(["/bin/sh", "/tmp/deeplab/muster", "tini", "--"], own.Entrypoint);
        Assert.Equal(["serve"], own.Command);
        Assert.Equal(["train"], Muster.Held(Plan("train"), image).Command);
        var nothing = Muster.Held(Plan(), image with { Entrypoint = [], Command = [] });
        Assert.Empty(nothing.Entrypoint);
    }

    [Fact]
    public async Task The_program_begins_once_the_list_is_whole_and_its_names_resolve()
    {
        await File.WriteAllTextAsync(List, "localhost\n", TestContext.Current.CancellationToken);
        using var held = Start(startSeconds: 60);
        var output = held.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        // That nothing comes has no event; half a second is five of the script's looks
        await Task.WhenAny(output, Task.Delay(500, TestContext.Current.CancellationToken));
        Assert.False(output.IsCompleted);

        await File.AppendAllTextAsync(List, "end\n", TestContext.Current.CancellationToken);
        Assert.Equal("began with two words\n", await output);
        Assert.Equal("", await held.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_told_and_the_program_begins_all_the_same()
    {
        await File.WriteAllTextAsync(List, "localhost\nworker-7.invalid\nend\n", TestContext.Current.CancellationToken);
        Assert.Equal(
            (
                "began with two words\n",
                "deeplab: the name worker-7.invalid did not resolve within 1 s; the program begins all the same\n"
            ),
            await RunAsync(60)
        );
    }

    [Fact]
    public async Task Nobody_is_waited_for_for_ever() =>
        Assert.Equal(
            (
                "began with two words\n",
                "deeplab: not all replicas have started within 1 s; the program begins all the same\n"
            ),
            await RunAsync(1)
        );

    private async Task<(string Output, string Error)> RunAsync(int startSeconds)
    {
        using var run = Start(startSeconds);
        var output = run.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        return (await output, await run.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    private Process Start(int startSeconds)
    {
        var script = Path.Combine(_folder.FullName, "muster");
        File.WriteAllText(script, Muster.ScriptOf(List, startSeconds, nameSeconds: 1));
        return Process.Start(
            new ProcessStartInfo("/bin/sh", [script, .. s_program])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
    }

    private static ContainerPlan Plan(params string[] command) =>
        new()
        {
            Name = "n",
            Image = "i",
            Command = command,
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string>(),
            Cpus = 1,
            Memory = 1,
            Shm = 1,
        };
}
