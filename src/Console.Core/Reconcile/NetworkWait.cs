using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>One attempt's patience with its job's network: told while it cannot be had, asked for again, and given up in the end.</summary>
internal sealed class NetworkWait(AttemptDriver driver, HostWorker host, DriverTools tools)
{
    private const int Starts = 5;
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(8);
    private long? _since;
    private TimeSpan _pause = s_firstPause;
    private string _told = "";

    /// <summary>False where it cannot be had yet, after a pause: look again. Past the patience the attempt's end is recorded.</summary>
    public async Task<bool> IsThereAsync(AttemptRead read, CancellationToken ct)
    {
        try
        {
            await tools.Networks.EnsureAsync(read.Workload, read.Spec, host.Engine, ct);
            return true;
        }
        catch (JobNetworkException e)
        {
            _since ??= tools.Time.GetTimestamp();
            if (tools.Time.GetElapsedTime(_since.Value) > tools.Networks.Patience)
            {
                await driver.FailAsync(Reason.NetworkFailed, e.Message);
                return false;
            }
            if (e.Message != _told)
            {
                await driver.SayAsync(Reason.WaitingForNetwork, _told = e.Message, asEvent: true);
            }
            await driver.WaitAsync(_pause, ct);
            _pause = _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
            return false;
        }
    }

    /// <summary>Somebody removed a network of this host, as by `docker network prune`. One across hosts may be on its way.</summary>
    public static bool IsGone(EngineException e, Workload w) =>
        e.Kind == EngineErrorKind.NetworkNotReady && !IsAcrossHosts(w);

    /// <summary>Makes that of this host again; false as of <see cref="IsThereAsync"/>.</summary>
    public async Task<bool> RenewAsync(AttemptRead read, CancellationToken ct)
    {
        if (read.Workload.NetworkName is not null)
        {
            return await IsThereAsync(read, ct);
        }
        await host.Wall.RenewNetworkAsync(ct);
        return true;
    }

    /// <summary>A network that was made just now may not have come to this host: the start is tried again.</summary>
    public async Task StartAsync(string containerId, Workload w, CancellationToken ct)
    {
        var pause = s_firstPause;
        for (var n = 1; ; n++)
        {
            try
            {
                await host.Engine.StartAsync(containerId, ct);
                return;
            }
            catch (EngineException e) when (e.Kind == EngineErrorKind.NetworkNotReady && IsAcrossHosts(w) && n < Starts)
            {
                await driver.SayAsync(Reason.WaitingForNetwork, e.Message, asEvent: true);
                await Task.Delay(pause, tools.Time, ct);
                pause *= 2;
            }
        }
    }

    private static bool IsAcrossHosts(Workload w) => w.NetworkName is not null && w.HostNames.Length > 1;
}
