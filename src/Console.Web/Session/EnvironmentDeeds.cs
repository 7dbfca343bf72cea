using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Wording;
using MudBlazor;

namespace DeepLab.Web.Session;

/// <summary>What a person does to an environment in this circuit: asks where that is due, and says what stood against it.</summary>
public sealed class EnvironmentDeeds(
    CurrentActor current,
    StopWorkload stop,
    StartEnvironment start,
    RestartEnvironment restart,
    DeleteEnvironment delete,
    TouchEnvironment touch,
    KeptHomes homes,
    JupyterPassword passwords,
    IDialogService dialogs,
    ISnackbar snackbar
)
{
    /// <returns>whether it was done</returns>
    public async Task<bool> StopAsync(JobRow row)
    {
        var text =
            row.State == WorkloadState.Queued
                ? $"“{row.Name}” leaves the queue without having run."
                : $"Whatever runs in “{row.Name}” ends, open notebooks with it. Its files in the home stay, and Start brings it back.";
        return await ConfirmAsync($"Stop {row.Name}?", text, "Stop it")
            && await DoAsync((actor, ct) => stop.RunAsync(actor, row.Id, ct));
    }

    public Task<bool> StartAsync(long id) => DoAsync((actor, ct) => start.RunAsync(actor, id, ct));

    public async Task<bool> RestartAsync(JobRow row) =>
        await ConfirmAsync(
            $"Restart {row.Name}?",
            "Whatever runs in it ends, and it starts anew with the same home.",
            "Restart it"
        ) && await DoAsync((actor, ct) => restart.RunAsync(actor, row.Id, ct));

    /// <param name="withHome">its home goes too, for ever</param>
    public Task<bool> DeleteAsync(long id, bool withHome) =>
        DoAsync((actor, ct) => delete.RunAsync(actor, id, withHome, ct));

    public async Task<bool> DeleteBoardAsync(JobRow row) =>
        await ConfirmAsync(
            $"Delete {row.Name}?",
            "It leaves the lists. The event files of its jobs stay with them.",
            "Delete it"
        ) && await DeleteAsync(row.Id, withHome: true);

    /// <param name="password">null = none</param>
    public async Task<Outcome<string>?> TryPasswordAsync(long id, string? password) =>
        await passwords.ChangeAsync(await current.GetAsync(), id, password, CancellationToken.None) switch
        {
            Outcome<long>.Done => new Outcome<string>.Done(""),
            Outcome<long>.Refused refused => new Outcome<string>.Refused(refused.Errors),
            Outcome<long>.Conflict conflict => new Outcome<string>.Conflict(conflict.Message),
            _ => new Outcome<string>.Conflict("The environment is no longer there."),
        };

    public async Task<bool> DiscardHomeAsync(KeptHomeView home) =>
        await ConfirmAsync(
            $"Delete the home of {home.Name}?",
            "Every file in it goes. This cannot be undone.",
            "Delete it"
        ) && await DoAsync((actor, ct) => homes.DiscardAsync(actor, home.Id, ct));

    /// <summary>Puts the end of an idle one off.</summary>
    public async Task KeepAsync(long id) => await touch.RunAsync(await current.GetAsync(), id, CancellationToken.None);

    private async Task<bool> ConfirmAsync(string title, string text, string yes) =>
        await dialogs.ShowMessageBoxAsync(title, text, yes, cancelText: "Keep it") == true;

    private async Task<bool> DoAsync(Func<Actor, CancellationToken, Task<Outcome<long>>> verb)
    {
        // Not the page's token: what was asked for is done even if the browser goes away meanwhile
        var outcome = await verb(await current.GetAsync(), CancellationToken.None);
        if (outcome.Problem("The environment is no longer there.") is { } problem)
        {
            snackbar.Add(problem, Severity.Error);
            return false;
        }
        return true;
    }
}
