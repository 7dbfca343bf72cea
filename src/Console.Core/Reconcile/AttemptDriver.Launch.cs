using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>From nothing to a running container. What an engine says of a call is not believed where a look can tell.</summary>
internal sealed partial class AttemptDriver
{
    private async Task CreateAsync(AttemptRead read, CancellationToken ct)
    {
        var files = await tools.Files.FindAsync(read.Spec, ct);
        if (files.Missing is { } missing)
        {
            await FailAsync(Reason.CodeMissing, missing);
            return;
        }
        var mounts = await tools.Mounts.FindAsync(tools.InstallId, read.Spec, ct);
        if (mounts.Missing is { } volume)
        {
            await FailAsync(Reason.VolumeMissing, volume);
            return;
        }
        if (
            !await Network.IsThereAsync(read, ct)
            || !await IsHomeFreeAsync(read, ct)
            || !await IsResumeDecidedAsync(read, mounts, ct)
        )
        {
            return;
        }
        if (await ImagePull.FindAsync(this, host, tools, term, read, ct) is not { } image)
        {
            return;
        }
        var plan = LaunchPlan.Make(
            tools.InstallId,
            read.Workload,
            read.Spec,
            read.Attempt,
            image,
            files.ScriptCommand,
            read.Gpus,
            mounts.Mounts,
            await tools.Environments.DoorsAsync(read, ct),
            await tools.Environments.PortsAsync(read, ct)
        );
        if (Muster.Holds(read.Spec) && !_hasNoShell)
        {
            if (await ImagePull.HaveAsync(this, host, tools, term, image, ct) is not { } there)
            {
                return;
            }
            plan = Muster.Held(plan, there);
        }
        tools.Failpoints.Hit(Failpoints.BeforeCreate);
        try
        {
            var id = await CreateWithImageAsync(plan, ct);
            if (id is null)
            {
                return;
            }
            tools.Failpoints.Hit(Failpoints.AfterCreate);
            await StartAsync(read, id, mounts, ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NameTaken)
        {
            // A create whose reply was lost, or a foreign container: the next look tells
            host.Remember(plan.Name);
        }
        catch (EngineException e) when (NetworkWait.IsGone(e, read.Workload))
        {
            if (await Network.RenewAsync(read, ct))
            {
                await WaitAsync(s_retry, ct);
            }
        }
        catch (EngineException e)
        {
            // An engine that says it failed may have made it all the same: adopted by the next look
            var made = await host.Engine.InspectAsync(plan.Name, ct);
            if (LaunchPlan.IsOurs(made, tools.InstallId, read.Attempt, read.Workload.SpecHash))
            {
                host.Remember(plan.Name);
                return;
            }
            await FailAsync(
                e.Kind switch
                {
                    EngineErrorKind.ImageNotFound => Reason.ImageNotFound,
                    EngineErrorKind.DiskFull => Reason.DiskFull,
                    _ => Reason.CreateFailed,
                },
                $"the engine refused to create its container: {mounts.InWords(e.Message)}"
            );
        }
    }

    /// <summary>Its wall wakes it up.</summary>
    private async Task AwaitWallAsync(AttemptRead read, CancellationToken ct)
    {
        if (host.Wall.View.Trouble is { } trouble)
        {
            var message = $"waits until {host.Host.Name} keeps containers from where they may not go: {trouble}";
            if (read.Workload.Message != message)
            {
                await SayAsync(Reason.WaitingForHost, message, asEvent: false);
            }
        }
        await WaitAsync(s_retry, ct);
    }

    /// <summary>Creates at once, and pulls only where the engine says that it lacks the image. Null where the pull failed.</summary>
    private async Task<string?> CreateWithImageAsync(ContainerPlan plan, CancellationToken ct)
    {
        try
        {
            return await host.Engine.CreateAsync(plan, ct);
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.ImageNotFound)
        {
            if (!await ImagePull.RunAsync(this, host, tools, term, plan.Image, ct))
            {
                return null;
            }
            return await host.Engine.CreateAsync(plan, ct);
        }
    }

    private async Task StartAsync(AttemptRead read, string containerId, FoundMounts mounts, CancellationToken ct)
    {
        if (Muster.Holds(read.Spec) && !_hasNoShell && !await HasShellAsync(containerId, ct))
        {
            // The script that is to hold it could not run: another is made without
            _hasNoShell = await IsDoneAsync(() => host.Engine.RemoveAsync(containerId, force: true, ct), "removed", ct);
            return;
        }
        try
        {
            IReadOnlyList<PlacedFile> placed =
            [
                .. await tools.Environments.FilesAsync(read, ct),
                .. await tools.Mounts.ListsAsync(read.Spec, ct),
            ];
            await tools.Files.PutAsync(
                host.Engine,
                containerId,
                read.Spec,
                [.. CheckpointLaunch.Owned(read, mounts), .. EventFileLaunch.Owned(read.Spec, read.Attempt)],
                placed,
                ct
            );
            tools.Failpoints.Hit(Failpoints.AfterCode);
            _started = (containerId, tools.Time.GetUtcNow());
            try
            {
                await Network.StartAsync(containerId, read.Workload, ct);
            }
            catch (EngineException e) when (NetworkWait.IsGone(e, read.Workload))
            {
                _started = null;
                if (!await Network.RenewAsync(read, ct))
                {
                    return;
                }
                _started = (containerId, tools.Time.GetUtcNow());
                await host.Engine.StartAsync(containerId, ct);
            }
            host.Remember(read.Attempt.ContainerName);
            LastSeen = ContainerState.Running;
            tools.Failpoints.Hit(Failpoints.AfterStart);
        }
        catch (EngineException e)
        {
            var reason = e.Kind switch
            {
                EngineErrorKind.CommandNotFound => Reason.CommandNotFound,
                EngineErrorKind.CommandNotExecutable => Reason.CommandNotExecutable,
                EngineErrorKind.DiskFull => Reason.DiskFull,
                EngineErrorKind.NetworkNotReady => Reason.NetworkFailed,
                _ => Reason.StartFailed,
            };
            host.Remember(read.Attempt.ContainerName);
            if (await host.Engine.InspectAsync(containerId, ct) is { StartedAt: not null })
            {
                // It runs, or ran: no failed start, and its GPUs are not free
                return;
            }
            _started = null;
            if (e.Kind == EngineErrorKind.PortTaken)
            {
                await MovePortsAsync(containerId, e.Message, ct);
                return;
            }
            await FailAsync(reason, $"its container did not start: {mounts.InWords(e.Message)}", containerId);
        }
    }

    private async Task<bool> HasShellAsync(string containerId, CancellationToken ct)
    {
        await using var shell = await host.Engine.GetArchiveAsync(containerId, Muster.Shell, ct);
        return shell is not null;
    }

    /// <summary>
    /// Something else on the host has a port that was leased for it: its container, which cannot start so, goes first, and
    /// the next look makes another.
    /// </summary>
    private async Task MovePortsAsync(string containerId, string message, CancellationToken ct)
    {
        if (!await IsDoneAsync(() => host.Engine.RemoveAsync(containerId, force: true, ct), "removed", ct))
        {
            return;
        }
        if (!await tools.Writes.MovePortsAsync(term, attemptId, PortErrors.PortOf(message), tools.Environments.Ports))
        {
            await FailAsync(
                Reason.PortTaken,
                $"its ports are taken by something that is not ours, and its host has no others: {message}"
            );
        }
    }

    /// <summary>Two containers never share a home: that of an earlier round is gone before the next is made.</summary>
    private async Task<bool> IsHomeFreeAsync(AttemptRead read, CancellationToken ct)
    {
        if (read.Spec.Environment is null || !await tools.Environments.IsHomeBusyAsync(read.Attempt, ct))
        {
            return true;
        }
        const string Waits = "waits until its last container is gone, which may still use its home";
        if (read.Workload.Message != Waits)
        {
            await SayAsync(Reason.WaitingForHost, Waits, asEvent: false);
        }
        await WaitAsync(s_homeEvery, ct);
        return false;
    }

    private static readonly TimeSpan s_homeEvery = TimeSpan.FromMilliseconds(250);
}
