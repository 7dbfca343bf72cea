using DeepLab.Core.Operations;
using DeepLab.Core.Tenancy;
using DeepLab.Web.Wording;
using MudBlazor;

namespace DeepLab.Web.Session;

/// <summary>
/// Does what an admin asked for in this circuit, and says what stood against it. Members are shown no button for it; a
/// circuit is not trusted for that, so who asks is looked at again here.
/// </summary>
public sealed class AdminDeeds(CurrentActor current, ISnackbar snackbar)
{
    /// <param name="gone">the sentence for a thing that is not there</param>
    /// <param name="done">what is said where it was done; null = the page shows it by itself</param>
    /// <returns>whether it was done</returns>
    public async Task<bool> DoAsync(
        Func<Actor, CancellationToken, Task<Outcome<string>>> verb,
        string gone,
        string? done = null
    )
    {
        if (await TryAsync(verb) is not { } outcome)
        {
            return false;
        }
        if (outcome.Problem(gone) is { } problem)
        {
            snackbar.Add(problem, Severity.Warning);
            return false;
        }
        if (done is not null)
        {
            snackbar.Add(done, Severity.Success);
        }
        return true;
    }

    /// <summary>The bare outcome, for a form that shows its errors itself; null where the actor is no admin.</summary>
    public async Task<Outcome<string>?> TryAsync(Func<Actor, CancellationToken, Task<Outcome<string>>> verb)
    {
        var actor = await current.GetAsync();
        // Not the page's token: what was confirmed is done even if the browser goes away meanwhile
        return actor.IsAdmin ? await verb(actor, CancellationToken.None) : null;
    }
}
