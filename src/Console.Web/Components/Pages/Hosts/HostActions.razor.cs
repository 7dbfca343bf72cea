using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace DeepLab.Web.Components.Pages.Hosts;

public sealed partial class HostActions
{
    /// <summary>More than one machine runs; the newest, should there be others.</summary>
    private const int MostJobs = 2000;

    [Parameter, EditorRequired]
    public required HostView Host { get; set; }

    [Inject]
    private ActivateHost Activate { get; set; } = default!;

    [Inject]
    private DrainHost Drain { get; set; } = default!;

    [Inject]
    private DisableHost Disable { get; set; } = default!;

    [Inject]
    private CheckHost Check { get; set; } = default!;

    [Inject]
    private FenceHost Fence { get; set; } = default!;

    [Inject]
    private RemoveHost Remove { get; set; } = default!;

    [Inject]
    private JobQueries Queries { get; set; } = default!;

    [Inject]
    private CurrentActor Current { get; set; } = default!;

    [Inject]
    private AdminDeeds Deeds { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private Task ActivateAsync() => DoAsync(Activate.RunAsync);

    private Task DisableAsync() => DoAsync(Disable.RunAsync);

    private Task CheckAsync() => DoAsync(Check.RunAsync, $"{Host.Name} is checked again; the report follows.");

    private async Task DrainAsync()
    {
        var host = Host.Name;
        var running = new JobFilter { Host = host, States = [WorkloadState.Running, WorkloadState.Stopping] };
        var (jobs, _) = await Queries.WindowAsync(
            await Current.GetAsync(),
            running,
            0,
            MostJobs,
            CancellationToken.None
        );
        var parameters = new DialogParameters<DrainDialog> { { d => d.Jobs, jobs } };
        var dialog = await Dialogs.ShowAsync<DrainDialog>($"Drain {host}?", parameters);
        if (await dialog.Result is { Canceled: false, Data: DrainAnswer answer })
        {
            await DoAsync((actor, name, ct) => Drain.RunAsync(actor, name, answer.Deadline, ct));
        }
    }

    private async Task FenceAsync()
    {
        var sure = await Dialogs.ShowMessageBoxAsync(
            $"Fence {Host.Name}?",
            "You state that this machine is dead. Its GPUs are free at once, and what ran there may start elsewhere, though "
                + "nobody saw it end. If the machine still runs, two of the same job may write the same files: power it off "
                + "first. When it is activated again, what it still runs is stopped before its GPUs are leased.",
            "It is dead: fence it",
            cancelText: "Wait for it"
        );
        if (sure == true)
        {
            await DoAsync(Fence.RunAsync);
        }
    }

    private async Task RemoveAsync()
    {
        var sure = await Dialogs.ShowMessageBoxAsync(
            $"Remove {Host.Name}?",
            "It leaves the console together with its GPUs, its readings and its credentials. Only a host on which nothing "
                + "runs or holds can be removed. The machine itself is not touched.",
            "Remove the host",
            cancelText: "Keep it"
        );
        if (sure == true && await DoAsync(Remove.RunAsync, $"{Host.Name} was removed."))
        {
            Navigation.NavigateTo("/hosts");
        }
    }

    private Task<bool> DoAsync(Func<Actor, string, CancellationToken, Task<Outcome<string>>> verb, string? done = null)
    {
        // The page has one of these for each host, so that an answer never goes to another host than its question
        var name = Host.Name;
        return Deeds.DoAsync((actor, ct) => verb(actor, name, ct), $"Host {name} is no longer there.", done);
    }
}
