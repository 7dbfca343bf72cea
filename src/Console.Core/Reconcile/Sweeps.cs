using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;

namespace DeepLab.Core.Reconcile;

/// <summary>How a duty of the leader goes on: a look at all that may be due, after each change that concerns it and now and then.</summary>
internal sealed class Sweeps(ChangeFeed changes, TimeProvider time)
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);

    /// <summary>Changes come in bunches.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    /// <summary>Returns only by the end of the term, which it throws.</summary>
    /// <param name="concerns">the kinds of changes that ask for a look; so does <see cref="ChangeKind.Everything"/></param>
    /// <param name="later">told why a look was broken off; the next one goes on</param>
    public async Task RunAsync(
        LeaderTerm term,
        ChangeKind[] concerns,
        Func<LeaderTerm, Task> sweep,
        Action<string> later,
        TimeSpan? every = null
    )
    {
        using var subscription = changes.Subscribe(c => c.Kind == ChangeKind.Everything || concerns.Contains(c.Kind));
        while (!term.Ended.IsCancellationRequested)
        {
            try
            {
                await sweep(term);
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                later(e.Message);
            }
            await subscription.NextAsync(every ?? s_every, time, term.Ended);
            await Task.Delay(s_pause, time, term.Ended);
        }
    }
}
