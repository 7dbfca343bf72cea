using System.Collections.Concurrent;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

/// <summary>Terminals, which the test speaks for.</summary>
public sealed partial class FakeEngine
{
    /// <summary>Every one that was opened, in order.</summary>
    public ConcurrentQueue<FakeTerminal> Terminals { get; } = new();

    /// <summary>Called as one is opened; by default it begins as a shell does.</summary>
    public Action<FakeTerminal> OnTerminal { get; set; } = t => t.Say("4711\r\n$ ");

    public async Task<IEngineTerminal> OpenTerminalAsync(
        string id,
        IReadOnlyList<string> argv,
        IReadOnlyDictionary<string, string> env,
        CancellationToken ct
    )
    {
        var container = await DoAsync(
            id,
            () =>
                Need(id) is { IsRunning: true } c
                    ? c
                    : throw new EngineException(EngineErrorKind.Conflict, $"Container {id} is not running"),
            ct
        );
        var terminal = new FakeTerminal(argv, env, Volatile.Read(ref _away).Token);
        Terminals.Enqueue(terminal);
        OnTerminal(terminal);
        _ = EndWithAsync(container, terminal);
        return terminal;
    }

    private static async Task EndWithAsync(FakeContainer container, FakeTerminal terminal)
    {
        while (true)
        {
            var changed = container.Changed;
            if (!container.IsRunning)
            {
                terminal.End(137);
                return;
            }
            await changed;
        }
    }
}
