using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>A pull whose progress shows on the workload and which ends when the job is not wanted any more.</summary>
internal static class ImagePull
{
    private static readonly TimeSpan s_tellEvery = TimeSpan.FromSeconds(1);

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
        await driver.SayAsync(Reason.PullingImage, $"pulls the image {image}", asEvent: true);
        PullProgress? latest = null;
        var told = "";
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var pull = host.Engine.PullAsync(image, new Latest(p => latest = p), cancel.Token);
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
                var now = latest?.Fraction is { } f ? $"pulls the image {image}: {f:P0}" : $"pulls the image {image}";
                if (now != told)
                {
                    await driver.SayAsync(Reason.PullingImage, told = now, asEvent: false);
                }
            }
            await pull;
            await tools.Writes.NoteAsync(term, driver.AttemptId, "pulled", $"the image {image} is there");
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
        catch (EngineException e)
        {
            await driver.FailAsync(
                e.Kind is EngineErrorKind.ImageNotFound or EngineErrorKind.NotFound
                    ? Reason.ImageNotFound
                    : Reason.ImagePullFailed,
                $"the image {image} could not be pulled: {e.Message}"
            );
            return false;
        }
    }

    /// <summary>Progress without a synchronization context in between.</summary>
    private sealed class Latest(Action<PullProgress> set) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => set(value);
    }
}
