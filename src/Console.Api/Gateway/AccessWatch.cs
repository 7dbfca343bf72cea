using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Gateway;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Gateway;

/// <summary>
/// Ends what is open as soon as it would not be opened again: the workload was stopped or deleted, its container is another
/// one, the user was disabled or signed out. It looks at the news of a change, and at all every few seconds: with the five
/// seconds that <see cref="Sessions"/> remembers, access ends within ten.
/// </summary>
internal sealed partial class AccessWatch(
    OpenRequests open,
    Doors doors,
    Sessions sessions,
    ChangeFeed changes,
    TimeProvider time,
    ILogger<AccessWatch> logger
) : BackgroundService
{
    private static readonly TimeSpan s_recheck = TimeSpan.FromSeconds(3);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var subscription = changes.Subscribe(c => c.Kind is ChangeKind.Workload or ChangeKind.Account);
        var looked = time.GetTimestamp();
        while (true)
        {
            var left = s_recheck - time.GetElapsedTime(looked);
            var changed = left > TimeSpan.Zero ? await subscription.NextAsync(left, time, stoppingToken) : [];
            var all = Hear(changed) || time.GetElapsedTime(looked) >= s_recheck;
            if (all)
            {
                looked = time.GetTimestamp();
            }
            try
            {
                await LookAsync(
                    all ? open.List() : [.. open.List().Where(r => changed.Any(c => c.Id == r.Route.WorkloadId))],
                    stoppingToken
                );
            }
            catch (Exception e) when (Problems.IsDatabaseTrouble(e))
            {
                // Nobody's access is over because the database is away
                Log.NotChecked(logger, e.Message);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                Log.Failed(logger, e);
            }
        }
    }

    /// <summary>Forgets what the news made old; true where all that is open must be looked at.</summary>
    private bool Hear(IReadOnlyCollection<Change> changed)
    {
        if (changed.Any(c => c.Kind == ChangeKind.Everything))
        {
            doors.ForgetAll();
            sessions.Forget();
            return true;
        }
        foreach (var change in changed.Where(c => c.Kind == ChangeKind.Workload))
        {
            doors.Forget(change.Id);
        }
        if (changed.Any(c => c.Kind == ChangeKind.Account))
        {
            sessions.Forget();
            return true;
        }
        return false;
    }

    private async Task LookAsync(IReadOnlyList<OpenRequests.OpenRequest> requests, CancellationToken ct)
    {
        foreach (var request in requests)
        {
            var door = await doors.FindAsync(request.Route, ct);
            if (
                door is not { State: DoorState.Open }
                || door.EndpointId != request.EndpointId
                || await sessions.RefreshAsync(request.Pass.TokenId, request.Pass.SecurityStamp, ct) is not { } who
                || !door.MayBeOpenedBy(Identities.ActorOf(who))
            )
            {
                request.Cut();
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Whether open connections may stay open could not be checked: {Error}")]
        public static partial void NotChecked(ILogger logger, string error);

        [LoggerMessage(LogLevel.Error, "Looking at open connections failed")]
        public static partial void Failed(ILogger logger, Exception error);
    }
}
