namespace DeepLab.Core.Storage;

/// <summary>
/// The database's clock, which all consoles share: as it was told last, and carried on by this process' monotonic one. This
/// machine's own clock may be wrong, or be set in the middle of a job, and no deadline moves.
/// </summary>
/// <param name="local">this machine's clock: asked until the database has told, and for timers and stamps always</param>
public sealed class DatabaseClock(TimeProvider local) : TimeProvider
{
    private sealed record Anchor(DateTimeOffset Told, long Stamp);

    private volatile Anchor? _anchor;

    public override DateTimeOffset GetUtcNow() =>
        _anchor is { } a ? a.Told + local.GetElapsedTime(a.Stamp) : local.GetUtcNow();

    public override long GetTimestamp() => local.GetTimestamp();

    public override long TimestampFrequency => local.TimestampFrequency;

    public override TimeZoneInfo LocalTimeZone => local.LocalTimeZone;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        local.CreateTimer(callback, state, dueTime, period);

    /// <summary>The database told its time, in answer to a question that was asked at <paramref name="asked"/>.</summary>
    /// <param name="asked">of <see cref="GetTimestamp"/></param>
    public void Hear(DateTimeOffset told, long asked)
    {
        var took = local.GetElapsedTime(asked);
        // Somewhere on the way the clock was read. What cannot be told from that way is left as it is: time goes on evenly
        if (_anchor is null || (told - GetUtcNow() + took / 2).Duration() > took)
        {
            _anchor = new Anchor(told + took / 2, local.GetTimestamp());
        }
    }
}
