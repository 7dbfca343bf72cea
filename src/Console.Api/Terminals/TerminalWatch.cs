using DeepLab.Api.Auth;
using DeepLab.Api.Errors;
using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Terminals;
using DeepLab.Core.Streams.Terminals;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Terminals;

/// <summary>
/// Ends terminals that would not be opened again: their user was disabled or signed out, the workload is another's, its container is
/// over. As at the gateway, it looks at the news of a change and at all every few seconds. What is used in an environment keeps that
/// awake; what nobody looks at ends after a while; all end with the console.
/// </summary>
internal sealed partial class TerminalWatch(
    OpenTerminals terminals,
    TerminalVerbs verbs,
    TouchEnvironment touch,
    Sessions sessions,
    ChangeFeed changes,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<TerminalWatch> logger
) : BackgroundService
{
    private static readonly TimeSpan s_recheck = TimeSpan.FromSeconds(3);
    private readonly List<Task> _ends = [];
    private DateTimeOffset _touched = time.GetUtcNow();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The server stops before its services do, and would wait for sockets that nobody closes
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(
            stoppingToken,
            lifetime.ApplicationStopping
        );
        using var subscription = changes.Subscribe(c => c.Kind is ChangeKind.Workload or ChangeKind.Account);
        var looked = time.GetTimestamp();
        try
        {
            while (true)
            {
                var left = s_recheck - time.GetElapsedTime(looked);
                var changed = left > TimeSpan.Zero ? await subscription.NextAsync(left, time, stopping.Token) : [];
                var accounts = changed.Any(c => c.Kind is ChangeKind.Account or ChangeKind.Everything);
                if (accounts)
                {
                    sessions.Forget();
                }
                var all = accounts || time.GetElapsedTime(looked) >= s_recheck;
                if (all)
                {
                    looked = time.GetTimestamp();
                }
                await TryAsync(
                    terminals.List().Where(t => all || changed.Any(c => c.Id == t.Request.WorkloadId)),
                    all,
                    stopping.Token
                );
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            await Task.WhenAll([terminals.CloseAsync(), .. _ends]);
        }
    }

    private async Task TryAsync(IEnumerable<Terminal> some, bool all, CancellationToken ct)
    {
        try
        {
            foreach (var terminal in some.Where(t => t.End is null))
            {
                await LookAsync(terminal, ct);
            }
            // Hanging up takes as long as its host: nobody else's end waits for it
            foreach (var ended in _ends.Where(e => e.IsCompleted).ToArray())
            {
                _ends.Remove(ended);
                await ended;
            }
            if (all)
            {
                _touched = time.GetUtcNow();
                _ends.Add(terminals.SweepAsync());
            }
        }
        catch (Exception e) when (Problems.IsDatabaseTrouble(e))
        {
            // Nobody's access is over because the database is away
            Log.NotChecked(logger, e.Message);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            Log.Failed(logger, e);
        }
    }

    private async Task LookAsync(Terminal terminal, CancellationToken ct)
    {
        var request = terminal.Request;
        var actor = await sessions.RefreshAsync(request.TokenId, request.Stamp, ct) is { } who
            ? Identities.ActorOf(who)
            : null;
        if (actor is null || !await verbs.MayStayAsync(actor, request, ct))
        {
            _ends.Add(
                terminal.EndAsync(
                    TerminalEndReason.AccessEnded,
                    "It is over: its container ended, or whoever opened it may not look into it any more."
                )
            );
            return;
        }
        if (request.IsEnvironment && terminal.LastUsedAt >= _touched)
        {
            await touch.RunAsync(actor, request.WorkloadId, ct);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Whether terminals may stay open could not be checked: {Error}")]
        public static partial void NotChecked(ILogger logger, string error);

        [LoggerMessage(LogLevel.Error, "Looking at open terminals failed")]
        public static partial void Failed(ILogger logger, Exception error);
    }
}
