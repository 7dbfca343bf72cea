using System.Formats.Tar;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Engine.Tests.Engines;

public sealed class ArchiveTests(TestEngine host) : IClassFixture<TestEngine>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Files_put_before_the_start_keep_their_numeric_owner_and_come_back()
    {
        var id = await host.Engine.CreateAsync(
            host.Plan("""stat -c '%u:%g %a %n' code/run.sh; sh code/run.sh; echo made > code/out""") with
            {
                WorkingDirectory = "/workspace",
            },
            Ct
        );
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, leaveOpen: true))
        {
            await writer.WriteEntryAsync(Entry(TarEntryType.Directory, "workspace", 0b111_101_101), Ct);
            await writer.WriteEntryAsync(Entry(TarEntryType.Directory, "workspace/code", 0b111_101_101), Ct);
            var file = Entry(TarEntryType.RegularFile, "workspace/code/run.sh", 0b110_100_000);
            file.DataStream = new MemoryStream("echo ran\n"u8.ToArray());
            await writer.WriteEntryAsync(file, Ct);
        }
        tar.Position = 0;
        await host.Engine.PutArchiveAsync(id, "/", tar, Ct);
        await host.Engine.StartAsync(id, Ct);
        Assert.Equal(0, (await host.EndedAsync(id, Ct)).ExitCode);
        Assert.Equal(["1000:1000 640 code/run.sh", "ran"], await host.LinesAsync(id, Ct));

        await using var back = await host.Engine.GetArchiveAsync(id, "/workspace/code", Ct);
        var files = await ReadAsync(back!);
        Assert.Equal("made\n", files["code/out"]);
        Assert.Equal("echo ran\n", files["code/run.sh"]);
    }

    [Fact]
    public async Task Of_a_folder_that_the_console_made_one_look_tells_whether_something_was_made_in_it()
    {
        var id = await host.Engine.CreateAsync(
            host.Plan("until [ -e /tmp/go ]; do sleep 0.05; done; ls /made; : > /made/file; echo done; sleep 60") with
            {
                WorkingDirectory = "/workspace",
            },
            Ct
        );
        using var tar = new MemoryStream();
        var writer = new CodeTarWriter(tar);
        await writer.AddRootFolderAsync("/made", Ct);
        await writer.EndAsync(Ct);
        tar.Position = 0;
        Assert.Null(await host.Engine.StatAsync(id, "/made", Ct));
        await host.Engine.PutArchiveAsync(id, "/", tar, Ct);
        await host.Engine.StartAsync(id, Ct);
        var untouched = new PathStat(IsFolder: true, DateTimeOffset.UnixEpoch);
        Assert.Equal(untouched, await host.Engine.StatAsync(id, "/made", Ct));

        await host.Engine.ExecAsync(id, ["touch", "/tmp/go"], _ => ValueTask.CompletedTask, Ct);
        await foreach (var frame in host.Engine.LogsAsync(id, new LogQuery(Follow: true), Ct))
        {
            if (Encoding.UTF8.GetString(frame.Text.Span).Contains("done", StringComparison.Ordinal))
            {
                break;
            }
        }
        var touched = await host.Engine.StatAsync(id, "/made", Ct);
        Assert.True(touched is { IsFolder: true } && touched.ChangedAt > DateTimeOffset.UnixEpoch.AddDays(1));
        Assert.False((await host.Engine.StatAsync(id, "/made/file", Ct))!.IsFolder);
        Assert.Null(await host.Engine.StatAsync("no-such", "/", Ct));
    }

    [Fact]
    public async Task What_is_not_there_is_null_and_a_missing_container_is_not_found()
    {
        var id = await host.Engine.CreateAsync(host.Plan("true"), Ct);
        Assert.Null(await host.Engine.GetArchiveAsync(id, "/no/such/folder", Ct));
        var get = await Assert.ThrowsAsync<EngineException>(() => host.Engine.GetArchiveAsync("no-such", "/", Ct));
        Assert.Equal(EngineErrorKind.NotFound, get.Kind);
        var put = await Assert.ThrowsAsync<EngineException>(() =>
            host.Engine.PutArchiveAsync(id, "/no/such/folder", new MemoryStream(new byte[1024]), Ct)
        );
        Assert.Equal(EngineErrorKind.NotFound, put.Kind);
    }

    [Fact]
    public async Task An_empty_folder_is_read_to_the_end_of_its_tar()
    {
        var id = await host.Engine.CreateAsync(host.Plan("mkdir /tmp/empty"), Ct);
        await host.Engine.StartAsync(id, Ct);
        await host.EndedAsync(id, Ct);
        await using var tar = await host.Engine.GetArchiveAsync(id, "/tmp/empty/.", Ct);
        Assert.Empty(await ReadAsync(tar!));
    }

    [Fact]
    public async Task Twenty_megabytes_go_in_and_out()
    {
        var id = await host.Engine.CreateAsync(host.Plan("true"), Ct);
        var bytes = new byte[20 << 20];
        new Random(7).NextBytes(bytes);
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, leaveOpen: true))
        {
            var file = Entry(TarEntryType.RegularFile, "blob", 0b110_100_000);
            file.DataStream = new MemoryStream(bytes);
            await writer.WriteEntryAsync(file, Ct);
        }
        tar.Position = 0;
        await host.Engine.PutArchiveAsync(id, "/tmp", tar, Ct);
        await using var back = await host.Engine.GetArchiveAsync(id, "/tmp/blob", Ct);
        await using var reader = new TarReader(back!);
        var entry = await reader.GetNextEntryAsync(copyData: true, Ct);
        var read = new byte[bytes.Length];
        await entry!.DataStream!.ReadExactlyAsync(read, Ct);
        Assert.True(bytes.AsSpan().SequenceEqual(read));
    }

    private static PaxTarEntry Entry(TarEntryType type, string name, int mode) =>
        new(type, name)
        {
            Uid = 1000,
            Gid = 1000,
            Mode = (UnixFileMode)mode,
        };

    private static async Task<Dictionary<string, string>> ReadAsync(Stream tar)
    {
        var files = new Dictionary<string, string>();
        await using var reader = new TarReader(tar);
        while (await reader.GetNextEntryAsync(copyData: true, Ct) is { } entry)
        {
            if (entry.DataStream is { } data)
            {
                using var text = new StreamReader(data, Encoding.UTF8);
                files[entry.Name] = await text.ReadToEndAsync(Ct);
            }
        }
        return files;
    }
}
