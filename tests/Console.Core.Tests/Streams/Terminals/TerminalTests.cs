using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Core.Tests.Engines;
using Microsoft.Extensions.Time.Testing;

namespace DeepLab.Core.Tests.Streams.Terminals;

public sealed class TerminalTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch);
    private readonly FakeEngine _engine;
    private readonly TerminalLimits _limits = new()
    {
        MostOfUser = 3,
        MostOfWorkload = 2,
        Scrollback = 1024,
        Window = 256,
        Input = 64,
    };
    private readonly OpenTerminals _all;
    private string _container = "";

    public TerminalTests()
    {
        _engine = new FakeEngine(_time)
        {
            OnExec = (_, argv) =>
            {
                // The number that it began with
                Assert.Equal("4711", argv[^1]);
                return (0, [], "");
            },
        };
        _all = new OpenTerminals(new OneEngine(_engine), _limits, _time);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private FakeTerminal Program => _engine.Terminals.Last();

    public async ValueTask InitializeAsync()
    {
        _engine.Images["image"] = new ImageInfo("id", "image", 1, new Dictionary<string, string>());
        _container = await _engine.CreateAsync(
            new ContainerPlan
            {
                Name = "dl-1",
                Image = "image",
                Env = new Dictionary<string, string>(),
                Labels = new Dictionary<string, string>(),
                Cpus = 1,
                Memory = 1,
                Shm = 1,
            },
            Ct
        );
        await _engine.StartAsync(_container, Ct);
    }

    private TerminalRequest Request(Guid? user = null, long workload = 1) =>
        new(user ?? Guid.Empty, Guid.Empty, "", workload, false, 1, "worker-0", 1, _container, "fake", null);

    private async Task<Terminal> OpenAsync(TerminalRequest? request = null) =>
        Assert
            .IsType<TerminalOpening.Opened>(await _all.OpenAsync(request ?? Request(), new TerminalSize(100, 30)))
            .Terminal;

    private static async Task<string> ReadAsync(TerminalViewer viewer, int length)
    {
        var text = new StringBuilder();
        var buffer = new byte[100];
        while (text.Length < length)
        {
            var count = await viewer.ReadAsync(buffer, Ct);
            Assert.NotEqual(0, count);
            text.Append(Encoding.ASCII.GetString(buffer, 0, count));
            viewer.Saw(viewer.Sent);
        }
        return text.ToString();
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var n = 0; !condition(); n++)
        {
            Assert.True(n < 1000, "it never came about");
            await Task.Delay(5, Ct);
        }
    }

    [Fact]
    public async Task A_shell_says_its_prompt_hears_what_is_typed_and_has_the_size_that_was_asked_for()
    {
        var terminal = await OpenAsync();
        using var viewer = terminal.Attach(null);
        Assert.Equal("$ ", await ReadAsync(viewer, 2));
        Assert.True(terminal.TryWrite("ls\r"u8.ToArray()));
        Assert.Equal("ls\r", Encoding.ASCII.GetString(await Program.Input.ReadAsync(Ct)));
        await terminal.ResizeAsync(new TerminalSize(60, 20), Ct);
        Assert.Equal([(100, 30), (60, 20)], Program.Sizes);
        Assert.Equal("xterm-256color", Program.Env["TERM"]);
        Program.Say("bye");
        Program.End(3);
        Assert.Equal("bye", await ReadAsync(viewer, 3));
        Assert.Equal(0, await viewer.ReadAsync(new byte[8], Ct));
        Assert.Equal(
            new TerminalEnd(TerminalEndReason.Exited, 3, "The shell has ended with exit code 3."),
            terminal.End
        );
    }

    [Fact]
    public async Task Who_comes_back_reads_on_where_it_stopped_or_all_that_is_kept()
    {
        var terminal = await OpenAsync();
        long place;
        using (var first = terminal.Attach(null))
        {
            await ReadAsync(first, 2);
            place = first.Sent;
        }
        Program.Say("while away\n");
        await UntilAsync(() => terminal.Said == 13);
        using (var second = terminal.Attach(place))
        {
            Assert.Equal("while away\n", await ReadAsync(second, 11));
        }
        using (var reloaded = terminal.Attach(null))
        {
            Assert.Equal("$ while away\n", await ReadAsync(reloaded, 13));
        }
        // More than is kept: with nobody there the program does not wait, and who comes begins with a line
        await Program.SayAsync(
            Enumerable.Repeat("0123456789abcde\n"u8.ToArray(), 100).SelectMany(b => b).ToArray(),
            Ct
        );
        await UntilAsync(() => terminal.Said == 1613);
        using var late = terminal.Attach(place);
        Assert.Equal("0123456789abcde\n", (await ReadAsync(late, 16))[..16]);
        Assert.Equal(0, (late.From - 13) % 16);
    }

    [Fact]
    public async Task A_flood_waits_for_its_viewer_and_not_a_byte_is_lost()
    {
        var terminal = await OpenAsync();
        using var viewer = terminal.Attach(null);
        await ReadAsync(viewer, 2);
        var flood = new byte[1 << 20];
        new Random(1).NextBytes(flood);
        var saying = Program.SayAsync(flood, Ct);
        // And what was being read when the viewer came
        const int underWay = 16 << 10;
        await UntilAsync(() => terminal.Said >= 2 + _limits.Window);
        Assert.False(saying.IsCompleted);
        var got = new MemoryStream();
        var buffer = new byte[100];
        while (got.Length < flood.Length)
        {
            got.Write(buffer, 0, await viewer.ReadAsync(buffer, Ct));
            Assert.True(terminal.Said - viewer.Sent <= _limits.Window + underWay);
            viewer.Saw(viewer.Sent);
        }
        await saying;
        Assert.Equal(flood, got.ToArray());
    }

    [Fact]
    public async Task The_newest_viewer_takes_the_place_of_the_one_before()
    {
        var terminal = await OpenAsync();
        using var first = terminal.Attach(null);
        await ReadAsync(first, 2);
        var waiting = first.ReadAsync(new byte[8], Ct).AsTask();
        using var second = terminal.Attach(null);
        Assert.Equal(0, await waiting);
        Assert.True(first.Displaced);
        first.Dispose();
        Assert.Null(terminal.LeftAt);
        Assert.Equal("$ ", await ReadAsync(second, 2));
    }

    [Fact]
    public async Task What_a_program_does_not_read_is_bounded()
    {
        var reads = new TaskCompletionSource();
        _engine.OnTerminal = t =>
        {
            t.ReadsNothingUntil = reads.Task;
            t.Say("4711\r\n");
        };
        var terminal = await OpenAsync();
        Assert.True(terminal.TryWrite(new byte[40]));
        Assert.False(terminal.TryWrite(new byte[40]));
        Assert.True(terminal.TryWrite(new byte[24]));
        reads.SetResult();
        await Program.Input.ReadAsync(Ct);
        await Program.Input.ReadAsync(Ct);
        await UntilAsync(() => terminal.TryWrite(new byte[64]));
    }

    [Fact]
    public async Task A_user_and_a_workload_have_so_many_and_one_that_ended_makes_room()
    {
        await OpenAsync();
        var second = await OpenAsync();
        var full = Assert.IsType<TerminalOpening.Refused>(await _all.OpenAsync(Request(), TerminalSize.Usual));
        Assert.Contains("2 terminals", full.Message);
        await OpenAsync(Request(workload: 2));
        var many = Assert.IsType<TerminalOpening.TooMany>(
            await _all.OpenAsync(Request(workload: 3), TerminalSize.Usual)
        );
        Assert.Contains("3 terminals", many.Message);
        Assert.IsType<TerminalOpening.Refused>(await _all.OpenAsync(Request(Guid.NewGuid()), TerminalSize.Usual));
        await second.EndAsync(TerminalEndReason.Closed, "closed");
        await OpenAsync();
        Assert.Null(_all.Find(Guid.NewGuid(), 1, second.Id));
        Assert.Same(second, _all.Find(Guid.Empty, 1, second.Id));
    }

    [Fact]
    public async Task One_that_nobody_looks_at_ends_after_a_while_and_its_shell_is_told()
    {
        var terminal = await OpenAsync();
        using (terminal.Attach(null))
        {
            _time.Advance(_limits.Left * 2);
            await _all.SweepAsync();
            Assert.Null(terminal.End);
        }
        _time.Advance(_limits.Left);
        await _all.SweepAsync();
        Assert.Null(terminal.End);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _all.SweepAsync();
        Assert.Equal(TerminalEndReason.Left, terminal.End?.Reason);
        Assert.Contains(_engine.Calls, c => c.Verb == "ExecAsync");
        Assert.True(Program.IsDisposed);
        _time.Advance(_limits.Ended + TimeSpan.FromSeconds(1));
        await _all.SweepAsync();
        Assert.Empty(_all.List());
    }

    [Fact]
    public async Task Whose_access_ended_reads_nothing_more()
    {
        var terminal = await OpenAsync();
        using var viewer = terminal.Attach(null);
        await terminal.EndAsync(TerminalEndReason.AccessEnded, "over");
        Assert.Equal(0, await viewer.ReadAsync(new byte[8], Ct));
    }

    [Fact]
    public async Task It_ends_with_its_container_and_with_its_engine_and_says_which()
    {
        var lost = await OpenAsync();
        _engine.BreakStreams();
        await UntilAsync(() => lost.End is not null);
        Assert.Equal(TerminalEndReason.EngineLost, lost.End!.Reason);
        var ended = await OpenAsync();
        _engine.End(_container, 0);
        await UntilAsync(() => ended.End is not null);
        Assert.Equal(TerminalEndReason.ContainerEnded, ended.End!.Reason);
        Assert.IsType<TerminalOpening.Ended>(await _all.OpenAsync(Request(), TerminalSize.Usual));
    }

    [Fact]
    public async Task An_image_without_a_shell_and_an_engine_that_is_away_are_told()
    {
        _engine.OnTerminal = t =>
        {
            t.Say("OCI runtime exec failed: exec failed: exec: \"/bin/sh\": no such file or directory\r\n");
            t.End(127);
        };
        var none = Assert.IsType<TerminalOpening.Refused>(await _all.OpenAsync(Request(), TerminalSize.Usual));
        Assert.Contains("no shell", none.Message);
        _engine.GoAway();
        Assert.IsType<TerminalOpening.Unreachable>(await _all.OpenAsync(Request(), TerminalSize.Usual));
        Assert.Empty(_all.List());
    }

    public async ValueTask DisposeAsync()
    {
        await _all.CloseAsync();
        foreach (var terminal in _all.List())
        {
            terminal.Dispose();
        }
    }

    private sealed class OneEngine(FakeEngine engine) : IEngineFactory
    {
        public IContainerEngine Get(string address, string? sealedCredentials = null) => engine;
    }
}
