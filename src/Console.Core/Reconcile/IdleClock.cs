using System.Globalization;

namespace DeepLab.Core.Reconcile;

public enum IdleVerdict
{
    InUse,

    /// <summary>It is stopped soon unless somebody uses it.</summary>
    Warn,
    Cull,
}

/// <summary>When an environment that nobody uses is warned of and stopped. Pure.</summary>
/// <param name="Limit">how long nobody may use it</param>
public readonly record struct IdleClock(DateTimeOffset LastActiveAt, TimeSpan Limit)
{
    private static readonly TimeSpan s_longestNotice = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromSeconds(1);

    public DateTimeOffset CullAt => LastActiveAt + Limit;

    /// <summary>A fifth of the limit before the end, and no more than ten minutes.</summary>
    public DateTimeOffset WarnAt => CullAt - Min(s_longestNotice, Limit / 5);

    public IdleVerdict At(DateTimeOffset now) =>
        now >= CullAt ? IdleVerdict.Cull
        : now >= WarnAt ? IdleVerdict.Warn
        : IdleVerdict.InUse;

    /// <summary>Until it is to be looked at again: short before the end, and not longer than what a user would notice.</summary>
    public TimeSpan PauseAt(DateTimeOffset now)
    {
        var next = now < WarnAt ? WarnAt : CullAt;
        var pause = Min(Min(s_longestPause, Limit / 10), next - now);
        return pause < s_shortestPause ? s_shortestPause : pause;
    }

    /// <summary>`/proc/net/tcp` and `tcp6` of a container: connections that somebody has open to a port of it.</summary>
    public static int Connections(string procNetTcp, int port)
    {
        var here = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        return procNetTcp
            .Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            // Number, local address, remote address, state: 01 is established
            .Count(f => f.Length > 3 && f[1].EndsWith(here, StringComparison.Ordinal) && f[3] == "01");
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
