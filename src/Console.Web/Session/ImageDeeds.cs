using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Tenancy;
using DeepLab.Web.Wording;
using MudBlazor;

namespace DeepLab.Web.Session;

/// <summary>What a person does with images in this circuit; says what stood against it. What only admins may is looked at again here.</summary>
public sealed class ImageDeeds(
    CurrentActor current,
    ImageVerbs images,
    ImageTaskVerbs tasks,
    ImagePolicyVerbs policy,
    ImagePruning pruning,
    BuildImage build,
    SnapshotEnvironment snapshot,
    IDialogService dialogs,
    ISnackbar snackbar
)
{
    public Task ShareAsync(ImageView image) =>
        DoAsync(
            (actor, ct) => images.ShareAsync(actor, image.Name, !image.Shared, ct),
            image.Shared ? $"{image.Name} is yours alone." : $"Everyone may use {image.Name}."
        );

    public async Task RemoveAsync(ImageView image)
    {
        var text =
            image.Origin == Core.Workloads.ImageOrigin.Listed
                ? "Nobody can choose it any more. Hosts that have the image keep it."
                : "Nobody can choose it any more, and the image leaves its hosts. This cannot be undone.";
        if (
            await dialogs.ShowMessageBoxAsync($"Remove {image.Name}?", text, "Remove it", cancelText: "Keep it") == true
        )
        {
            await DoAsync((actor, ct) => images.RemoveAsync(actor, image.Name, ct), $"{image.Name} was removed.");
        }
    }

    public Task PullAsync(ImageView image, IReadOnlyList<string> hosts) =>
        DoAsync((actor, ct) => tasks.PullAsync(actor, image.Name, hosts, ct), null, adminsOnly: true);

    public Task CopyAsync(ImageView image, IReadOnlyList<string> hosts) =>
        DoAsync((actor, ct) => tasks.CopyAsync(actor, image.Name, hosts, ct), null);

    public Task CancelAsync(ImageTaskView task) => DoAsync((actor, ct) => tasks.CancelAsync(actor, task.Id, ct), null);

    public Task PruneAsync() =>
        DoAsync(
            (actor, ct) => tasks.PruneAsync(actor, ImageTaskVerbs.UnusedFor, ct),
            "They are being taken away.",
            adminsOnly: true
        );

    public async Task<Outcome<IReadOnlyList<PolicyRow>>?> TryPreviewAsync(ImagePolicyInput given) =>
        !(await current.GetAsync()).IsAdmin ? null
        : ImagePolicyVerbs.Refuse(given) is { } refused ? new Outcome<IReadOnlyList<PolicyRow>>.Refused([refused])
        : new Outcome<IReadOnlyList<PolicyRow>>.Done(
            await pruning.PreviewAsync(given.ToPolicy(), CancellationToken.None)
        );

    public Task<Outcome<string>?> TryPolicyAsync(ImagePolicyInput given) =>
        TryAsync(
            async (actor, ct) =>
                await policy.SaveAsync(actor, given, ct) is Outcome<ImagePolicyInput>.Refused refused
                    ? new Outcome<string>.Refused(refused.Errors)
                    : new Outcome<string>.Done(""),
            adminsOnly: true
        );

    /// <summary>The bare outcome, for a form that shows its errors itself; null where the actor may not.</summary>
    public Task<Outcome<string>?> TryAddAsync(ImageInput given) =>
        TryAsync((actor, ct) => images.AddAsync(actor, given, ct), adminsOnly: true);

    public Task<Outcome<string>?> TryEditAsync(string name, ImageInput given) =>
        TryAsync((actor, ct) => images.EditAsync(actor, name, given, ct), adminsOnly: true);

    public Task<Outcome<string>?> TryBuildAsync(BuildInput given) =>
        TryAsync(async (actor, ct) => Named(await build.RunAsync(actor, given, ct)), adminsOnly: true);

    public Task<Outcome<string>?> TrySnapshotAsync(long environment, SnapshotInput given) =>
        TryAsync(async (actor, ct) => Named(await snapshot.RunAsync(actor, environment, given, ct)), adminsOnly: false);

    private static Outcome<string> Named(Outcome<ImageTaskView> outcome) =>
        outcome switch
        {
            Outcome<ImageTaskView>.Done done => new Outcome<string>.Done(done.Value.Image),
            Outcome<ImageTaskView>.Refused refused => new Outcome<string>.Refused(refused.Errors),
            Outcome<ImageTaskView>.Conflict conflict => new Outcome<string>.Conflict(conflict.Message),
            _ => new Outcome<string>.NotFound(),
        };

    private async Task<Outcome<string>?> TryAsync(
        Func<Actor, CancellationToken, Task<Outcome<string>>> verb,
        bool adminsOnly
    )
    {
        var actor = await current.GetAsync();
        // Not the page's token: what was confirmed is done even if the browser goes away meanwhile
        return adminsOnly && !actor.IsAdmin ? null : await verb(actor, CancellationToken.None);
    }

    private async Task DoAsync<T>(
        Func<Actor, CancellationToken, Task<Outcome<T>>> verb,
        string? done,
        bool adminsOnly = false
    )
    {
        var actor = await current.GetAsync();
        if (adminsOnly && !actor.IsAdmin)
        {
            return;
        }
        var outcome = await verb(actor, CancellationToken.None);
        if (outcome.Problem("The image is no longer there.") is { } problem)
        {
            snackbar.Add(problem, Severity.Warning);
        }
        else if (done is not null)
        {
            snackbar.Add(done, Severity.Success);
        }
    }
}
