using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Which image a job runs, and pulls of it: their progress shows on the workload, they end when the job is not wanted any
/// more, and a registry that refuses is asked again a few times.
/// </summary>
internal static class ImagePull
{
    private const int Tries = 5;
    private static readonly TimeSpan s_tellEvery = TimeSpan.FromSeconds(1);

    /// <summary>Before the second try; it doubles from try to try.</summary>
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The image of the replica's role, pinned where its registry gave it a digest. Null where it had to be pulled and was not: the attempt's
    /// end is recorded, or will be by the next look.
    /// </summary>
    public static async Task<string?> FindAsync(
        AttemptDriver driver,
        HostWorker host,
        DriverTools tools,
        LeaderTerm term,
        AttemptRead read,
        CancellationToken ct
    )
    {
        var named = read.Spec.ImageOf(read.Spec.RoleOf(read.Attempt.ReplicaName));
        if (read.Workload.PinOf(read.Spec, named) is { } pinned)
        {
            return pinned;
        }
        var image = await tools.Images.ResolveAsync(named, read.Workload.OwnerId, ct);
        if (image.Contains('@'))
        {
            return image;
        }
        if (await HaveAsync(driver, host, tools, term, image, ct) is not { } found)
        {
            return null;
        }
        return found.Pinned is { } name
            ? await tools.Writes.PinImageAsync(term, driver.AttemptId, read.Spec, named, name)
            : image;
    }

    /// <summary>The image, pulled where the host lacks it. Null where that failed, as of <see cref="RunAsync"/>.</summary>
    public static async Task<ImageInfo?> HaveAsync(
        AttemptDriver driver,
        HostWorker host,
        DriverTools tools,
        LeaderTerm term,
        string image,
        CancellationToken ct
    ) =>
        await host.Engine.FindImageAsync(image, ct)
        ?? (await RunAsync(driver, host, tools, term, image, ct) ? await host.Engine.FindImageAsync(image, ct) : null);

    /// <summary>False where it failed or was not wanted: the attempt's end is recorded, or will be by the next look.</summary>
    public static async Task<bool> RunAsync(
        AttemptDriver driver,
        HostWorker host,
        DriverTools tools,
        LeaderTerm term,
        string image,
        CancellationToken ct
    )
    {
        if (MadeImages.HasNoRegistry(image))
        {
            // Whoever had its name at a registry would be believed
            await driver.FailAsync(
                Reason.ImageNotFound,
                $"the image {image} came from no registry, and host {host.Host.Name} does not have it any more"
            );
            return false;
        }
        var pause = s_firstPause;
        for (var n = 1; ; n++, pause *= 2)
        {
            await driver.SayAsync(Reason.PullingImage, $"pulls the image {image}", asEvent: n == 1);
            try
            {
                if (!await TryAsync(driver, host, image, ct))
                {
                    return false;
                }
                await tools.Hosts.PulledAsync(term, host.Host.Id, image);
                await tools.Writes.NoteAsync(term, driver.AttemptId, "pulled", $"the image {image} is there");
                return true;
            }
            catch (EngineException e) when (n < Tries && MayMend(e.Kind))
            {
                await driver.SayAsync(
                    Reason.PullingImage,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"the image {image} could not be pulled: {e.Message}; try {n + 1} of {Tries} follows in {pause.TotalSeconds:0} s"
                    ),
                    asEvent: true
                );
            }
            catch (EngineException e)
            {
                var tries = n > 1 ? $" in {n} tries" : "";
                await driver.FailAsync(ReasonOf(e.Kind), $"the image {image} could not be pulled{tries}: {e.Message}");
                return false;
            }
            if (!await IsWantedAfterAsync(driver, tools, pause, ct))
            {
                return false;
            }
        }
    }

    /// <summary>False where it was given up, since the job is not wanted any more.</summary>
    private static async Task<bool> TryAsync(AttemptDriver driver, HostWorker host, string image, CancellationToken ct)
    {
        PullProgress? latest = null;
        double? told = null;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var pull = host.Engine.PullAsync(image, new PullListener(p => latest = p), cancel.Token);
        try
        {
            while (await Task.WhenAny(pull, driver.WaitAsync(s_tellEvery, ct)) != pull)
            {
                ct.ThrowIfCancellationRequested();
                if (await driver.IsStopWantedAsync(ct))
                {
                    await cancel.CancelAsync();
                    break;
                }
                // Whole percents: what nobody can see is not written
                var now = latest?.Fraction is { } f ? Math.Floor(f * 100) / 100 : (double?)null;
                if (now != told)
                {
                    told = now;
                    var percent = now is { } p ? $": {p:P0}" : "";
                    await driver.SayAsync(
                        Reason.PullingImage,
                        $"pulls the image {image}{percent}",
                        asEvent: false,
                        pull: now
                    );
                }
            }
            await pull;
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }

    private static async Task<bool> IsWantedAfterAsync(
        AttemptDriver driver,
        DriverTools tools,
        TimeSpan pause,
        CancellationToken ct
    )
    {
        var began = tools.Time.GetTimestamp();
        while (pause - tools.Time.GetElapsedTime(began) is { Ticks: > 0 } left)
        {
            await driver.WaitAsync(left, ct);
            ct.ThrowIfCancellationRequested();
            if (await driver.IsStopWantedAsync(ct))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>A registry may be busy or away; what it does not have, or the host has no room for, it will not have soon.</summary>
    private static bool MayMend(EngineErrorKind kind) =>
        kind
            is not (
                EngineErrorKind.ImageNotFound
                or EngineErrorKind.NotFound
                or EngineErrorKind.BadRequest
                or EngineErrorKind.DiskFull
            );

    private static Reason ReasonOf(EngineErrorKind kind) =>
        kind switch
        {
            EngineErrorKind.ImageNotFound or EngineErrorKind.NotFound => Reason.ImageNotFound,
            EngineErrorKind.DiskFull => Reason.DiskFull,
            _ => Reason.ImagePullFailed,
        };
}
