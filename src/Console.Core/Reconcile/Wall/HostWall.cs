using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <param name="HasNetwork">the network that keeps containers from each other is there</param>
/// <param name="Holds">the rules are in place, as far as their keeper told</param>
/// <param name="Trouble">why the one or the other is not so; null where it is, or nothing was told yet</param>
public sealed record WallView(EgressMode Mode, bool HasNetwork, bool Holds, string? Trouble)
{
    /// <summary>May anything be started behind it?</summary>
    public bool IsOpen =>
        HasNetwork
        && Mode switch
        {
            EgressMode.Off => true,
            EgressMode.BestEffort => Holds || Trouble is not null,
            _ => Holds,
        };
}

/// <summary>
/// The wall of one host for the length of a session with its engine: the network of its own that its containers are on,
/// and the rules about where they may go. Nothing is started before both were seen in this session: a machine that was
/// started anew has lost its rules.
/// </summary>
internal sealed partial class HostWall(HostWorker host, DriverTools tools)
{
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(1);

    /// <summary>Its keeper says something every three seconds.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile WallView _view = new(EgressMode.On, false, false, null);

    public WallView View => _view;

    /// <summary>Returns when something was told, be it trouble, or when the patience ran out.</summary>
    public async Task ToldAsync(TimeSpan patience, CancellationToken ct)
    {
        try
        {
            await _told.Task.WaitAsync(patience, tools.Time, ct);
        }
        catch (TimeoutException)
        {
            // The view says so
        }
    }

    /// <summary>A network that somebody removed is made again.</summary>
    public Task RenewNetworkAsync(CancellationToken ct) =>
        host.Engine.EnsureBridgeAsync(WallPlans.Network(tools.InstallId), ct);

    /// <summary>Returns only by its token, which it throws.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        for (var failures = 0; ; )
        {
            var mode = tools.Wall.ModeOf(host.Host);
            try
            {
                await RenewNetworkAsync(ct);
                if (mode == EgressMode.Off)
                {
                    await RemoveRulesAsync(host.Engine, tools.InstallId, ct);
                    Tell(new WallView(mode, true, false, null));
                    while (tools.Wall.ModeOf(host.Host) == EgressMode.Off)
                    {
                        await Task.Delay(s_lookEvery, tools.Time, ct);
                    }
                    continue;
                }
                Tell(_view with { Mode = mode, HasNetwork = true });
                failures = await KeepAsync(mode, ct) ? 0 : failures + 1;
            }
            catch (Exception e)
                when (e is EngineException or EngineUnreachableException or IOException || DatabaseFaults.IsFault(e))
            {
                failures++;
                Tell(_view with { Mode = mode, Holds = false, Trouble = e.Message });
            }
            if (failures > 0)
            {
                await Task.Delay(Backoff.After(failures, s_longestBackoff), tools.Time, ct);
            }
        }
    }

    /// <summary>Takes away its rules, their keeper and its network; what does not answer keeps them, and they do no harm.</summary>
    public static async Task RemoveAsync(IContainerEngine engine, string installId, CancellationToken ct)
    {
        try
        {
            await RemoveRulesAsync(engine, installId, ct);
            await engine.RemoveNetworkAsync(WallRules.NetworkOf(installId), ct);
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            // Said above
        }
    }

    private static async Task RemoveRulesAsync(IContainerEngine engine, string installId, CancellationToken ct)
    {
        var keeper = await engine.InspectAsync(WallPlans.NameOf(installId), ct);
        if (keeper is null || keeper.Labels.GetValueOrDefault(Labels.Install) != installId)
        {
            return;
        }
        if (keeper.State == ContainerState.Running)
        {
            await engine.ExecAsync(keeper.Id, WallPlans.TakeAway(installId), _ => ValueTask.CompletedTask, ct);
        }
        await engine.RemoveAsync(keeper.Id, force: true, ct);
    }

    /// <summary>Follows the keeper until it ends or is not what it should be any more. False where it said nothing good.</summary>
    private async Task<bool> KeepAsync(EgressMode mode, CancellationToken ct)
    {
        var rules = await tools.Wall.ScriptAsync(ct);
        var container = new ProbeContainer(host.Engine, WallPlans.Make(tools.InstallId, tools.Wall.Image, rules));
        var keeper = await container.EnsureAsync(ct);
        var held = false;
        // One that ran before has said how it stands, and says it again soon
        await foreach (
            var line in ProbeLines.FollowAsync(host.Engine, keeper, s_quiet, s_silence, tools.Time, ct, again: 1)
        )
        {
            if (line is WallPlans.Holds or WallPlans.Mended)
            {
                if (line == WallPlans.Mended)
                {
                    Log.Mended(tools.Logger, host.Host.Name);
                }
                held = true;
                Tell(new WallView(mode, true, true, null));
                if (await tools.Wall.ScriptAsync(ct) != rules)
                {
                    // Those that hold do so until the others are in their place
                    return true;
                }
            }
            else if (line?.StartsWith(WallPlans.Failed, StringComparison.Ordinal) == true)
            {
                Tell(new WallView(mode, true, false, line[WallPlans.Failed.Length..]));
            }
            if (tools.Wall.ModeOf(host.Host) != mode)
            {
                return true;
            }
        }
        Tell(_view with { Holds = false, Trouble = _view.Trouble ?? "the keeper of its rules ended" });
        await container.RemoveAsync(keeper.Id, ct);
        return held;
    }

    private void Tell(WallView view)
    {
        var before = _view;
        _view = view;
        if (view is { Holds: false, Trouble: null } && view.Mode != EgressMode.Off)
        {
            return;
        }
        _told.TrySetResult();
        if (view == before)
        {
            return;
        }
        if (view.Trouble is { } trouble)
        {
            Log.Trouble(tools.Logger, host.Host.Name, trouble);
        }
        host.WallChanged();
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Host {Host}: its rules about where containers may go do not hold: {Trouble}")]
        public static partial void Trouble(ILogger logger, string host, string trouble);

        [LoggerMessage(
            LogLevel.Warning,
            "Host {Host}: somebody had changed its rules about where containers may go; they are in place again"
        )]
        public static partial void Mended(ILogger logger, string host);
    }
}
