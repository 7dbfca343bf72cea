using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Looks after an environment that runs: waits until its Jupyter, or its TensorBoard, answers, brings changed SSH keys and a changed password into
/// it, and stops it when nobody used it for too long.
/// </summary>
internal sealed class EnvironmentWatch(AttemptDriver driver, HostWorker host, DriverTools tools, LeaderTerm term)
{
    /// <summary>A refused connection costs next to nothing, and somebody waits.</summary>
    private static readonly TimeSpan s_askEvery = TimeSpan.FromMilliseconds(100);

    /// <summary>Then the engine is asked again what became of its container, which takes time from what starts in it.</summary>
    private static readonly TimeSpan s_askFor = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_slow = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(60);
    private string? _token;
    private string? _keys;

    /// <summary>That its container has, as far as this driver knows; null inside = none.</summary>
    private (bool IsKnown, string? Text) _password;
    private bool _slowTold;

    /// <summary>What Jupyter tells of its last use since our own question, which it took for one, and what it told before.</summary>
    private (DateTimeOffset Touched, DateTimeOffset Before)? _touch;

    /// <summary>Takes a look, and answers how long there is nothing to see unless it is woken.</summary>
    public async Task<TimeSpan> LookAsync(AttemptRead read, EnvironmentSpec environment, CancellationToken ct)
    {
        var doors = await tools.Environments.DoorsAsync(read, ct);
        var jupyter = doors.FirstOrDefault(d => d.Name == Endpoint.Jupyter) is { } door ? AddressOf(door) : null;
        if (read.Attempt.ReadyAt is null)
        {
            var board = environment.IsBoard ? doors.FirstOrDefault(d => d.Name == Endpoint.TensorBoard) : null;
            return await AwaitReadyAsync(
                read,
                environment,
                jupyter is not null ? new Uri(jupyter, "api")
                    : board is not null ? AddressOf(board)
                    : null,
                ct
            );
        }
        await RenewKeysAsync(read, environment, ct);
        await RenewPasswordAsync(read, environment, ct);
        var limit = tools.Environments.IdleLimit(environment);
        return limit > TimeSpan.Zero && read.Workload is { State: WorkloadState.Running }
            ? await JudgeIdleAsync(read, environment, jupyter, limit, ct)
            : s_lookEvery;
    }

    private async Task<TimeSpan> AwaitReadyAsync(
        AttemptRead read,
        EnvironmentSpec environment,
        Uri? page,
        CancellationToken ct
    )
    {
        var began = tools.Time.GetTimestamp();
        while (page is not null && await tools.Environments.Jupyter.WhyNotUpAsync(page, ct) is { } why)
        {
            if (!_slowTold && tools.Time.GetUtcNow() - read.Attempt.LeasedAt > s_slow)
            {
                _slowTold = true;
                AttemptNote note = new(
                    "slow",
                    $"{(environment.IsBoard ? "TensorBoard" : "Jupyter")} {why} at {page.Authority} after {s_slow.TotalSeconds:0} seconds; its log may tell why"
                );
                await tools.Writes.TellAsync(term, driver.AttemptId, [note]);
            }
            if (await driver.WaitAsync(s_askEvery, ct) || tools.Time.GetElapsedTime(began) > s_askFor)
            {
                return TimeSpan.Zero;
            }
        }
        await tools.Writes.ReadyAsync(term, driver.AttemptId, tools.Environments.IdleLimit(environment));
        return TimeSpan.Zero;
    }

    /// <summary>A change of a profile's keys wakes the driver; sshd reads the file at each sign-in.</summary>
    private async Task RenewKeysAsync(AttemptRead read, EnvironmentSpec environment, CancellationToken ct)
    {
        if (!environment.Ssh)
        {
            return;
        }
        var keys = await tools.Environments.KeysAsync(read, environment, ct);
        var text = string.Join('\n', keys);
        if (text == _keys)
        {
            return;
        }
        await tools.Files.PutAsync(
            host.Engine,
            read.Attempt.ContainerId!,
            read.Spec,
            [],
            [EnvironmentFiles.Keys(keys)],
            ct
        );
        _keys = text;
    }

    /// <summary>A change of the password wakes the driver; Jupyter reads the file at each sign-in.</summary>
    private async Task RenewPasswordAsync(AttemptRead read, EnvironmentSpec environment, CancellationToken ct)
    {
        if (!environment.Jupyter)
        {
            return;
        }
        var password = await tools.Environments.PasswordAsync(read.Workload.Id, ct);
        if (_password.IsKnown && password == _password.Text)
        {
            return;
        }
        _token ??= await tools.Environments.TokenAsync(read.Workload.Id, ct);
        await tools.Files.PutAsync(
            host.Engine,
            read.Attempt.ContainerId!,
            read.Spec,
            [],
            [EnvironmentFiles.Password(_token, password)],
            ct
        );
        _password = (true, password);
    }

    private async Task<TimeSpan> JudgeIdleAsync(
        AttemptRead read,
        EnvironmentSpec environment,
        Uri? jupyter,
        TimeSpan limit,
        CancellationToken ct
    )
    {
        var last = read.Workload.LastActiveAt ?? read.Attempt.ReadyAt!.Value;
        if (jupyter is not null)
        {
            if (await JupyterUseAsync(jupyter, read.Workload.Id, ct) is not { } used)
            {
                // What is not known to be idle is not stopped
                return new IdleClock(tools.Time.GetUtcNow(), limit).PauseAt(tools.Time.GetUtcNow());
            }
            last = used > last ? used : last;
        }
        if (environment.Ssh && await ConnectionsAsync(read.Attempt.ContainerId!, ct) > 0)
        {
            last = tools.Time.GetUtcNow();
        }
        var now = tools.Time.GetUtcNow();
        last = last > now ? now : last;
        if (
            jupyter is not null
            && new IdleClock(last, limit).At(now) != IdleVerdict.InUse
            && await IsBusyAsync(jupyter, read.Workload.Id, ct) is not false
        )
        {
            last = now;
        }
        await tools.Writes.ActivityAsync(term, driver.AttemptId, last, limit);
        return new IdleClock(last, limit).PauseAt(now);
    }

    private async Task<DateTimeOffset?> JupyterUseAsync(Uri jupyter, long workloadId, CancellationToken ct)
    {
        _token ??= await tools.Environments.TokenAsync(workloadId, ct);
        var told = await tools.Environments.Jupyter.LastActivityAsync(jupyter, _token, ct);
        return told == _touch?.Touched ? _touch?.Before : told;
    }

    /// <summary>Asking for its kernels counts as use: what it told before is kept beside what it tells after that.</summary>
    private async Task<bool?> IsBusyAsync(Uri jupyter, long workloadId, CancellationToken ct)
    {
        var before = await JupyterUseAsync(jupyter, workloadId, ct);
        var busy = await tools.Environments.Jupyter.IsBusyAsync(jupyter, _token!, ct);
        var after = await tools.Environments.Jupyter.LastActivityAsync(jupyter, _token!, ct);
        _touch = before is { } b && after is { } a ? (a, b) : null;
        return busy;
    }

    /// <summary>Sign-ins over SSH that are open now; none where the container does not say.</summary>
    private async Task<int> ConnectionsAsync(string containerId, CancellationToken ct)
    {
        var text = new StringBuilder();
        try
        {
            await host.Engine.ExecAsync(
                containerId,
                ["cat", "/proc/net/tcp", "/proc/net/tcp6"],
                bytes =>
                {
                    if (text.Length < 1 << 20)
                    {
                        text.Append(Encoding.ASCII.GetString(bytes.Span));
                    }
                    return ValueTask.CompletedTask;
                },
                ct
            );
        }
        catch (EngineException)
        {
            // An image without cat
            return 0;
        }
        return IdleClock.Connections(text.ToString(), EnvironmentSpec.SshPort);
    }

    private static Uri AddressOf(Endpoint door) =>
        new UriBuilder(Uri.UriSchemeHttp, door.Address, door.Port, Endpoint.PathOf(door.WorkloadId, door.Name)).Uri;
}
