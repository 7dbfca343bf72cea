using System.Runtime.CompilerServices;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Metrics;

/// <summary>Follows a probe's log by lines.</summary>
internal static class ProbeLines
{
    private const int MaxLine = 4 << 10;

    /// <summary>
    /// Null in between says that nothing came for <paramref name="quiet"/>. Ends when the log ends, or when nothing came for
    /// <paramref name="silence"/>: a follower can lose its file where the engine rotates it.
    /// </summary>
    /// <param name="again">lines of before that are told again, of a probe that ran already</param>
    public static async IAsyncEnumerable<string?> FollowAsync(
        IContainerEngine engine,
        RunningProbe probe,
        TimeSpan quiet,
        TimeSpan silence,
        TimeProvider time,
        [EnumeratorCancellation] CancellationToken ct,
        int again = 0
    )
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var query = new LogQuery(Follow: true, Tail: probe.IsFresh ? null : again);
        var frames = engine.LogsAsync(probe.Id, query, end.Token).GetAsyncEnumerator(end.Token);
        var line = new StringBuilder();
        Task<bool>? next = null;
        try
        {
            var heard = time.GetTimestamp();
            while (true)
            {
                next ??= frames.MoveNextAsync().AsTask();
                if (!await ArrivesAsync(next, quiet, time, ct))
                {
                    if (time.GetElapsedTime(heard) > silence)
                    {
                        yield break;
                    }
                    yield return null;
                    continue;
                }
                if (!await next)
                {
                    yield break;
                }
                next = null;
                heard = time.GetTimestamp();
                var frame = frames.Current;
                if (line.Length < MaxLine)
                {
                    line.Append(Encoding.UTF8.GetString(frame.Text.Span));
                }
                if (frame.EndsLine)
                {
                    yield return line.ToString();
                    line.Clear();
                }
            }
        }
        finally
        {
            await end.CancelAsync();
            if (next is not null)
            {
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            await frames.DisposeAsync();
        }
    }

    private static async Task<bool> ArrivesAsync(
        Task<bool> next,
        TimeSpan within,
        TimeProvider time,
        CancellationToken ct
    )
    {
        try
        {
            await next.WaitAsync(within, time, ct);
            return true;
        }
        catch (TimeoutException) when (!next.IsCompleted)
        {
            return false;
        }
    }
}
