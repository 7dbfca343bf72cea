namespace DeepLab.Core.Engines;

/// <summary>
/// The engine sends each line by itself. A reader that keeps up would wake for every one, at many times the cost of the
/// line: when lines come close together, it sleeps a little and takes what came meanwhile in one go.
/// </summary>
internal sealed class Pace(TimeProvider time)
{
    private static readonly TimeSpan Gulp = TimeSpan.FromMilliseconds(5);
    private long? _woken;

    /// <summary>Awaits a read that was begun.</summary>
    public async ValueTask<int> ReadAsync(ValueTask<int> begun)
    {
        if (begun.IsCompleted)
        {
            return await begun;
        }
        // Caught up with the engine
        var read = begun.AsTask();
        if (_woken is { } woken && time.GetElapsedTime(woken) < Gulp)
        {
            // Short, and not cancelled: the read under way writes into the caller's buffer
            await Task.Delay(Gulp, time, CancellationToken.None);
        }
        var count = await read;
        _woken = time.GetTimestamp();
        return count;
    }
}
