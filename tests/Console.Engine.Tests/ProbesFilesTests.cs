using System.Formats.Tar;
using System.IO.Compression;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Engines;

namespace DeepLab.Engine.Tests;

/// <summary>A job's own files on their way into a container.</summary>
public sealed class ProbesFilesTests : IAsyncLifetime
{
    private const string Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    private readonly TestEngine _tests = new();
    private readonly string _data = Directory.CreateTempSubdirectory("deeplab-files-").FullName;
    private readonly CodeFolder _folder;
    private readonly JobFiles _files;

    public ProbesFilesTests()
    {
        _folder = new CodeFolder(new ConsoleOptions { Database = "", DataFolder = _data });
        _files = new JobFiles(_folder);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Code_stands_in_the_workspace_and_runs()
    {
        await KeepAsync(
            (
                "run.sh",
                "#!/bin/sh\ncat data/hello.txt\nstat -c '%u:%g %a %n' . run.sh data data/hello.txt\ntouch data/new && id -u\n",
                true
            ),
            ("data/hello.txt", "hello\n", false)
        );
        var lines = await RunAsync(Spec(code: Digest), ["/workspace/run.sh"]);
        Assert.Equal(
            [
                "hello",
                "1000:1000 755 .",
                "1000:1000 755 run.sh",
                "1000:1000 755 data",
                "1000:1000 644 data/hello.txt",
                "1000",
            ],
            lines
        );
    }

    [Theory]
    [InlineData("echo from the shell: $0", "from the shell: /workspace/script.sh")]
    [InlineData("#!/bin/sh\r\necho $0 runs itself\r\n", "/workspace/script.sh runs itself")]
    public async Task A_script_runs(string script, string line)
    {
        var spec = Spec(script: script);
        Assert.Equal([line], await RunAsync(spec, (await _files.FindAsync(spec, Ct)).ScriptCommand));
    }

    [Fact]
    public async Task A_script_stands_beside_the_code_and_wins_over_it()
    {
        await KeepAsync(("script.sh", "echo wrong\n", true), ("a.txt", "a\n", false));
        var spec = Spec(Digest, "cat a.txt");
        Assert.Equal(["a"], await RunAsync(spec, (await _files.FindAsync(spec, Ct)).ScriptCommand));
    }

    [Fact]
    public async Task A_large_archive_arrives_whole()
    {
        var noise = new byte[48 << 20];
        new Random(7).NextBytes(noise);
        await KeepAsync(("noise", Convert.ToBase64String(noise), false));
        var sum = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(
                System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(noise))
            )
        );
        Assert.Equal([$"{sum}  noise"], await RunAsync(Spec(code: Digest), ["sha256sum", "noise"]));
    }

    [Fact]
    public async Task Code_that_is_gone_or_damaged_is_told()
    {
        var spec = Spec(code: Digest);
        Assert.Contains("no longer kept", (await _files.FindAsync(spec, Ct)).Missing);
        await KeepAsync(("a.txt", new string('a', 300_000), false), ("b.txt", "b", false));
        Assert.Null((await _files.FindAsync(spec, Ct)).Missing);
        var path = _folder.PathOf(Digest);
        var whole = await File.ReadAllBytesAsync(path, Ct);
        await File.WriteAllBytesAsync(path, whole[..(whole.Length / 2)], Ct);
        var id = await _tests.Engine.CreateAsync(_tests.Plan("true"), Ct);
        var refused = await Assert.ThrowsAsync<EngineException>(() => _files.PutAsync(_tests.Engine, id, spec, [], Ct));
        Assert.Contains("its code cannot be read", refused.Message);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _tests.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    private async Task<List<string>> RunAsync(JobSpec spec, IReadOnlyList<string> command)
    {
        var id = await _tests.Engine.CreateAsync(
            _tests.Plan([.. command]) with
            {
                WorkingDirectory = LaunchPlan.Workspace,
            },
            Ct
        );
        await _files.PutAsync(_tests.Engine, id, spec, [], Ct);
        await _tests.Engine.StartAsync(id, Ct);
        var lines = await _tests.LinesAsync(id, Ct);
        Assert.Equal(0, (await _tests.EndedAsync(id, Ct)).ExitCode);
        return lines;
    }

    private static JobSpec Spec(string? code = null, string? script = null) =>
        new()
        {
            Name = "files",
            Image = TestEngine.Image,
            Code = code,
            Script = script,
            Roles = [new RoleSpec { Name = "worker" }],
        };

    private async Task KeepAsync(params (string Name, string Text, bool Runs)[] files)
    {
        await using var file = File.Create(_folder.PathOf(Digest));
        await using var gzip = new GZipStream(file, CompressionLevel.Fastest);
        await using var tar = new TarWriter(gzip, TarEntryFormat.Pax);
        foreach (var (name, text, runs) in files)
        {
            var entry = new PaxTarEntry(TarEntryType.RegularFile, name)
            {
                Mode = runs ? (UnixFileMode)0x1ED : (UnixFileMode)0x1A4,
                Uid = 0,
                DataStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)),
            };
            await tar.WriteEntryAsync(entry, Ct);
        }
    }
}
