using System.Collections.Concurrent;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Accounts;

namespace DeepLab.Api.Auth;

/// <summary>
/// Answers whether a token or a browser's session is still good. Answers are remembered for five seconds, which bounds
/// how long a revoked one lives on in another console; this console forgets at once.
/// </summary>
public sealed class Sessions(TokenVerbs tokens, ChangeFeed changes, TimeProvider time)
{
    private const int MostKept = 10_000;
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_recheck = TimeSpan.FromSeconds(8);
    private readonly ConcurrentDictionary<string, (TokenIdentity? Identity, DateTimeOffset Until)> _kept = new();

    public void Forget() => _kept.Clear();

    /// <param name="secret">`dl_…`</param>
    public Task<TokenIdentity?> AuthenticateAsync(string secret, CancellationToken ct) =>
        RememberAsync(
            Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(secret))),
            () => tokens.AuthenticateAsync(secret, ct)
        );

    /// <summary>The identity as it is now; null where the session is over.</summary>
    public Task<TokenIdentity?> RefreshAsync(ClaimsPrincipal user, CancellationToken ct) =>
        RefreshAsync(user.TokenId(), user.StampOf(), ct);

    public async Task<TokenIdentity?> RefreshAsync(Guid tokenId, string? stamp, CancellationToken ct)
    {
        var identity = await RememberAsync(tokenId.ToString(), () => tokens.FindAsync(tokenId, ct));
        return SameStamp(stamp, identity) ? identity : null;
    }

    /// <summary>As <see cref="RefreshAsync(ClaimsPrincipal, CancellationToken)"/>, but asks the database: for connections that are open for long.</summary>
    public async Task<bool> IsCurrentAsync(ClaimsPrincipal user, CancellationToken ct) =>
        SameStamp(user.StampOf(), await tokens.FindAsync(user.TokenId(), ct));

    /// <summary>
    /// Cancelled when the caller's session ends, so that what streams to it ends, too: at the news of a change of accounts
    /// or at the next regular look, whichever is first.
    /// </summary>
    public SessionWatch Watch(ClaimsPrincipal user, CancellationToken ct) => new(this, user, changes, time, ct);

    private static bool SameStamp(string? stamp, TokenIdentity? identity) =>
        identity is not null && string.Equals(stamp, identity.SecurityStamp, StringComparison.Ordinal);

    private async Task<TokenIdentity?> RememberAsync(string key, Func<Task<TokenIdentity?>> ask)
    {
        var now = time.GetUtcNow();
        if (!_kept.TryGetValue(key, out var kept) || kept.Until <= now)
        {
            if (_kept.Count >= MostKept)
            {
                _kept.Clear();
            }
            kept = (await ask(), now + s_memory);
            _kept[key] = kept;
        }
        return kept.Identity is { } identity && identity.ExpiresAt > now ? identity : null;
    }

    public sealed class SessionWatch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _source;
        private readonly Task _loop;

        internal SessionWatch(
            Sessions sessions,
            ClaimsPrincipal user,
            ChangeFeed changes,
            TimeProvider time,
            CancellationToken ct
        )
        {
            _source = CancellationTokenSource.CreateLinkedTokenSource(ct);
            _loop = LoopAsync(sessions, user, changes, time, _source);
        }

        public CancellationToken Token => _source.Token;

        private static async Task LoopAsync(
            Sessions sessions,
            ClaimsPrincipal user,
            ChangeFeed changes,
            TimeProvider time,
            CancellationTokenSource source
        )
        {
            using var subscription = changes.Subscribe(c => c.Kind == ChangeKind.Account);
            try
            {
                do
                {
                    await subscription.NextAsync(s_recheck, time, source.Token);
                } while (await StillGoodAsync(sessions, user, source.Token));
                await source.CancelAsync();
            }
            catch (OperationCanceledException) when (source.IsCancellationRequested)
            {
                // The stream ended first
            }
        }

        private static async Task<bool> StillGoodAsync(Sessions sessions, ClaimsPrincipal user, CancellationToken ct)
        {
            try
            {
                return await sessions.IsCurrentAsync(user, ct);
            }
            catch (Exception e) when (Errors.Problems.IsDatabaseTrouble(e))
            {
                // Nothing streams without the database either; a session is not over because it is away
                return true;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _source.CancelAsync();
            await _loop;
            _source.Dispose();
        }
    }
}
