using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Web.Session;
using DeepLab.Web.Wording;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace DeepLab.Web.Components.Pages.Jobs;

/// <summary>Name, state with its sentence, and what can be done about it.</summary>
public sealed partial class JobHead
{
    [Parameter, EditorRequired]
    public required JobDetail Job { get; set; }

    [Inject]
    private StopWorkload Stop { get; set; } = default!;

    [Inject]
    private DeleteWorkload Delete { get; set; } = default!;

    [Inject]
    private RunJobAgain Again { get; set; } = default!;

    [Inject]
    private EditRun Edit { get; set; } = default!;

    [Inject]
    private CurrentActor CurrentActor { get; set; } = default!;

    [Inject]
    private Viewer Viewer { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private ISnackbar Snackbar { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private bool _busy;
    private string? _read;
    private (string Short, string Long) _code;

    private JobRow Row => Job.Row;

    /// <summary>The beginning of the digest of what it ran; null before it ran.</summary>
    private string? RanImage =>
        Job.Replicas.SelectMany(r => r.Attempts).Select(a => a.ImageId).LastOrDefault(id => id is not null)
            is { Length: > 19 } id
            ? id[7..19]
            : null;

    /// <summary>What is known of the code that it ran.</summary>
    private (string Short, string Long) Code
    {
        get
        {
            if (_read != Job.SpecJson)
            {
                (_read, _code) = (Job.SpecJson, CodeWords.Of(SpecReader.ReadStored(Job.SpecJson).Spec));
            }
            return _code;
        }
    }
    private string[] Hosts => Row.Host?.Split(", ") ?? [];

    /// <summary>Attempts that ended last and whose logs tell why; a gang fails alike, so a few say it all.</summary>
    private IEnumerable<(ReplicaView, AttemptView)> Told =>
        Job
            .Replicas.SelectMany(r => r.Attempts.TakeLast(1).Select(a => (r, a)))
            .Where(x => x.a.Findings.Count > 0)
            .Take(3);

    private async Task StopAsync()
    {
        var running = Row.State != WorkloadState.Queued;
        var text = running
            ? $"“{Row.Name}” gets SIGTERM and some seconds to end, then it is killed. Its log and curves stay."
                + (WorkAtRisk.Of(Row, Viewer.Now) is { } risk ? $" Now {risk}." : "")
            : $"“{Row.Name}” leaves the queue without having run.";
        if (await ConfirmAsync($"Stop job {Row.Id}?", text, "Stop the job"))
        {
            await SayAsync(await Stop.RunAsync(await CurrentActor.GetAsync(), Row.Id, CancellationToken.None));
        }
    }

    private async Task DeleteAsync()
    {
        const string Text = "It leaves the history together with its log and its curves. This cannot be undone.";
        if (
            await ConfirmAsync($"Delete job {Row.Id}?", Text, "Delete the job")
            && await SayAsync(await Delete.RunAsync(await CurrentActor.GetAsync(), Row.Id, CancellationToken.None))
        )
        {
            Navigation.NavigateTo("/jobs");
        }
    }

    private async Task PinAsync() =>
        await SayAsync(
            await Edit.RunAsync(
                await CurrentActor.GetAsync(),
                Row.Id,
                new RunEdit(Pinned: !Row.Pinned),
                CancellationToken.None
            )
        );

    private async Task AgainAsync()
    {
        _busy = true;
        try
        {
            var outcome = await Again.RunAsync(await CurrentActor.GetAsync(), Row.Id, CancellationToken.None);
            if (outcome is Outcome<Submitted>.Done done)
            {
                Navigation.NavigateTo($"/jobs/{done.Value.Id}");
            }
            else if (outcome.Problem("The job is no longer there.") is { } problem)
            {
                Snackbar.Add($"It cannot be run again. {problem}", Severity.Error);
            }
        }
        finally
        {
            _busy = false;
        }
    }

    // A clone is a new job that one looks over first: the form is its confirmation
    private void CloneAsync() => Navigation.NavigateTo($"/jobs/new?from={Row.Id}");

    private async Task<bool> ConfirmAsync(string title, string text, string yes) =>
        await Dialogs.ShowMessageBoxAsync(title, text, yes, cancelText: "Keep it") == true;

    private Task<bool> SayAsync(Outcome<long> outcome)
    {
        var problem = outcome.Problem("The job is no longer there.");
        if (problem is not null)
        {
            Snackbar.Add(problem, Severity.Error);
        }
        return Task.FromResult(problem is null);
    }
}
