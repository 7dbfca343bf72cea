using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DeepLab.Core.Engines;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Engine.Tests.Engines;
using Shell = DeepLab.Engine.Tests.Faults.Shell;

namespace DeepLab.Engine.Tests.Terminals;

/// <summary>Real shells in real containers.</summary>
public sealed partial class TerminalTests(TestEngine host) : IClassFixture<TestEngine>
{
    private readonly TerminalLimits _limits = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private OpenTerminals All => new(new OneEngine(host.Engine), _limits, TimeProvider.System);

    private static TerminalRequest In(string container) =>
        new(Guid.Empty, Guid.Empty, "", 1, false, 1, "worker-0", 1, container, "", null);

    private async Task<(string Container, Terminal Terminal)> OpenAsync()
    {
        var id = await host.StartAsync(host.Plan("sleep", "600"), Ct);
        return (id, await OpenAsync(id));
    }

    private async Task<Terminal> OpenAsync(string container) =>
        Assert.IsType<TerminalOpening.Opened>(await All.OpenAsync(In(container), new TerminalSize(100, 30))).Terminal;

    private static void Type(Terminal terminal, string text) =>
        Assert.True(terminal.TryWrite(Encoding.UTF8.GetBytes(text)));

    /// <summary>Reads until the text has come; answers all that came.</summary>
    private static async Task<string> UntilAsync(TerminalViewer viewer, string text)
    {
        var heard = new StringBuilder();
        var buffer = new byte[16 << 10];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!heard.ToString().Contains(text, StringComparison.Ordinal))
        {
            var count = await viewer.ReadAsync(buffer, patience.Token);
            Assert.True(count > 0, $"it ended after {heard}");
            heard.Append(Encoding.UTF8.GetString(buffer, 0, count));
            viewer.Saw(viewer.Sent);
        }
        return heard.ToString();
    }

    private Task<string> ProcessesAsync(string container) =>
        Shell.DockerAsync(TestEngine.Address, Ct, "top", container, "-eo", "pid,args");

    [Fact]
    public async Task It_is_a_bash_of_the_containers_user_in_its_folder_with_its_variables_and_size_and_exit_code()
    {
        var (container, terminal) = await OpenAsync();
        using var viewer = terminal.Attach(null);
        // What is typed comes back as well: only what is worked out tells
        Type(terminal, "echo =$(id -u) $(pwd) $GREETING $TERM $(ps -o comm= $$) $(stty size)=\r");
        Assert.Contains(
            "=1000 /workspace hello there xterm-256color bash 30 100=",
            await UntilAsync(viewer, "30 100="),
            StringComparison.Ordinal
        );
        await terminal.ResizeAsync(new TerminalSize(61, 17), Ct);
        Type(terminal, "echo =$(stty size)=\r");
        await UntilAsync(viewer, "=17 61=");
        Type(terminal, "exit 7\r");
        var buffer = new byte[1024];
        while (await viewer.ReadAsync(buffer, Ct) > 0) { }
        Assert.Equal((TerminalEndReason.Exited, 7), (terminal.End!.Reason, terminal.End.ExitCode));
        await host.Engine.RemoveAsync(container, force: true, Ct);
    }

    [Fact]
    public async Task A_flood_waits_goes_on_exactly_where_it_was_and_can_be_interrupted()
    {
        var (container, terminal) = await OpenAsync();
        using (var viewer = terminal.Attach(null))
        {
            Type(terminal, "stty -echo; PS1=; echo =$((1))=\r");
            await UntilAsync(viewer, "=1=");
            // Characters of two bytes, cut wherever the pieces end
            Type(terminal, "seq -f '%.0fü' 1 200000; echo =$((2))=\r");
            var said = terminal.Said;
            var until = TimeProvider.System.GetTimestamp();
            while (terminal.Said < viewer.Sent + _limits.Window)
            {
                Assert.True(TimeProvider.System.GetElapsedTime(until) < TimeSpan.FromSeconds(10), $"{terminal.Said}");
                await Task.Delay(20, Ct);
            }
            Assert.True(terminal.Said <= said + _limits.Window, "more is kept than may be on its way");
            var got = new MemoryStream();
            var buffer = new byte[10_001];
            while (!got.TryGetBuffer(out var all) || all.AsSpan().IndexOf("=2="u8) < 0)
            {
                got.Write(buffer, 0, await viewer.ReadAsync(buffer, Ct));
                viewer.Saw(viewer.Sent);
            }
            var lines = Encoding.UTF8.GetString(got.ToArray()).Split("\r\n");
            var first = Array.IndexOf(lines, "1ü");
            Assert.Equal(
                Enumerable.Range(1, 200_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i}ü")),
                lines.Skip(first).Take(200_000)
            );
            Type(terminal, "yes\r");
            await UntilAsync(viewer, "y\r\ny\r\ny\r\n");
        }
        // With nobody there it is read on, and what is kept stays as small
        var before = terminal.Said;
        var began = TimeProvider.System.GetTimestamp();
        while (terminal.Said < before + 4 * _limits.Scrollback)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20), "it does not go on");
            await Task.Delay(20, Ct);
        }
        using var again = terminal.Attach(null);
        Assert.True(terminal.Said - again.From <= _limits.Scrollback);
        Type(terminal, "\u0003");
        Type(terminal, "echo =$((3))=\r");
        await UntilAsync(again, "=3=");
        await host.Engine.RemoveAsync(container, force: true, Ct);
    }

    [Fact]
    public async Task Closed_it_takes_along_what_runs_in_it_but_what_was_told_to_stay_and_ended_containers_end_it()
    {
        var (container, terminal) = await OpenAsync();
        using (var viewer = terminal.Attach(null))
        {
            Type(terminal, "sleep 4711 & nohup sleep 4713 > /dev/null 2>&1 & echo =$((4))=; sleep 4712\r");
            await UntilAsync(viewer, "=4=");
        }
        Assert.Contains("bash", await ProcessesAsync(container), StringComparison.Ordinal);
        await terminal.EndAsync(TerminalEndReason.Closed, "closed");
        // The engine tells a process's end a moment after it
        for (var n = 0; Left().IsMatch(await ProcessesAsync(container)); n++)
        {
            Assert.True(n < 50, await ProcessesAsync(container));
            await Task.Delay(100, Ct);
        }
        Assert.Contains("sleep 4713", await ProcessesAsync(container), StringComparison.Ordinal);

        var second = await OpenAsync(container);
        await host.Engine.RemoveAsync(container, force: true, Ct);
        using var last = second.Attach(null);
        var buffer = new byte[1024];
        while (await last.ReadAsync(buffer, Ct) > 0) { }
        Assert.Equal(TerminalEndReason.ContainerEnded, second.End!.Reason);
    }

    [Theory]
    [InlineData("rm /usr/bin/bash", true)]
    [InlineData("rm /usr/bin/bash /usr/bin/sh /usr/bin/dash", false)]
    public async Task An_image_without_bash_has_its_sh_and_one_without_any_says_so(string change, bool hasOne)
    {
        var container = (
            await Shell.DockerAsync(
                TestEngine.Address,
                Ct,
                "run",
                "-d",
                "--user=0",
                $"--label={Labels.Install}={host.InstallId}",
                TestEngine.Image,
                "sh",
                "-c",
                $"{change}; echo done; exec sleep 600"
            )
        ).Trim();
        await foreach (var _ in host.Engine.LogsAsync(container, new LogQuery(Follow: true), Ct))
        {
            break;
        }
        if (hasOne)
        {
            var terminal = await OpenAsync(container);
            using var viewer = terminal.Attach(null);
            Type(terminal, "echo =$(ps -o comm= $$)=\r");
            await UntilAsync(viewer, "=sh=");
        }
        else
        {
            var refused = Assert.IsType<TerminalOpening.Refused>(
                await All.OpenAsync(In(container), TerminalSize.Usual)
            );
            Assert.Contains("no shell", refused.Message, StringComparison.Ordinal);
        }
        await host.Engine.RemoveAsync(container, force: true, Ct);
    }

    private sealed class OneEngine(IContainerEngine engine) : IEngineFactory
    {
        public IContainerEngine Get(string address, string? sealedCredentials = null) => engine;
    }

    [GeneratedRegex("bash|sleep 471[12]", RegexOptions.NonBacktracking)]
    private static partial Regex Left();
}
