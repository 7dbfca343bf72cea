namespace DeepLab.Api.Auth;

/// <summary>
/// Counts failed sign-ins by account and address. Ten within five minutes are free; each further one doubles a pause, up
/// to five minutes. Another address is not slowed down, so that nobody can lock a user out from afar. An address has a
/// budget over all accounts, too.
/// </summary>
public sealed class SignInThrottle(TimeProvider time)
{
    public const int Free = 10;
    private const int FreeOfAddress = 100;
    private const int MostKept = 20_000;
    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(5);
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Account, string Address), Failures> _kept = [];

    private sealed class Failures
    {
        public int Count;
        public DateTimeOffset Last;
        public DateTimeOffset BlockedUntil;
    }

    /// <summary>
    /// Null where the attempt may go on; it is counted as failed until <see cref="Succeeded"/> is called, so that many at
    /// once gain nothing. Else how long to wait.
    /// </summary>
    public TimeSpan? Begin(string account, string address)
    {
        var now = time.GetUtcNow();
        var one = One(account, address);
        var all = AllOf(address);
        lock (_gate)
        {
            var wait = Max(Wait(one, now), Wait(all, now));
            if (wait is not null)
            {
                return wait;
            }
            Count(one, Free, now);
            Count(all, FreeOfAddress, now);
            return null;
        }
    }

    public void Succeeded(string account, string address)
    {
        lock (_gate)
        {
            _kept.Remove(One(account, address));
            if (_kept.TryGetValue(AllOf(address), out var all) && all.Count > 0 && --all.Count < FreeOfAddress)
            {
                all.BlockedUntil = default;
            }
        }
    }

    private static (string, string) One(string account, string address) => ("=" + account.ToLowerInvariant(), address);

    /// <summary>A key that no account has: an empty name is a name that somebody may try.</summary>
    private static (string, string) AllOf(string address) => ("\0", address);

    private static TimeSpan? Max(TimeSpan? a, TimeSpan? b) => a is null || b > a ? b ?? a : a;

    private TimeSpan? Wait((string, string) key, DateTimeOffset now) =>
        _kept.TryGetValue(key, out var f) && f.BlockedUntil > now ? f.BlockedUntil - now : null;

    private void Count((string, string) key, int free, DateTimeOffset now)
    {
        if (!_kept.TryGetValue(key, out var f))
        {
            Prune(now);
            _kept[key] = f = new Failures();
        }
        if (now - f.Last > s_window)
        {
            f.Count = 0;
        }
        f.Count++;
        f.Last = now;
        if (f.Count >= free)
        {
            var pause = TimeSpan.FromSeconds(5 * Math.Pow(2, Math.Min(f.Count - free, 6)));
            f.BlockedUntil = now + (pause < s_window ? pause : s_window);
        }
    }

    private void Prune(DateTimeOffset now)
    {
        if (_kept.Count < MostKept)
        {
            return;
        }
        foreach (var key in _kept.Where(k => now - k.Value.Last > s_window).Select(k => k.Key).ToList())
        {
            _kept.Remove(key);
        }
        if (_kept.Count >= MostKept)
        {
            _kept.Remove(_kept.MinBy(k => k.Value.Last).Key);
        }
    }
}
