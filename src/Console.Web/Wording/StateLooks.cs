using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;
using MudBlazor;

namespace DeepLab.Web.Wording;

/// <summary>How a state is shown: always a word and an icon, the tone (a css class) only adds to them.</summary>
/// <param name="Tone">`run`, `ok`, `bad`, `warn` or `idle`</param>
/// <param name="Moving">something is going on by itself: the icon turns</param>
public sealed record StateLook(string Word, string Icon, string Tone, bool Moving = false);

public static class StateLooks
{
    public static StateLook Of(WorkloadState state) =>
        state switch
        {
            WorkloadState.Queued => new("Queued", Icons.Material.Outlined.HourglassEmpty, "warn"),
            WorkloadState.Starting => new("Starting", Icons.Material.Outlined.Sync, "run", Moving: true),
            WorkloadState.Running => new("Running", Icons.Material.Outlined.PlayCircle, "run"),
            WorkloadState.Restarting => new("Restarting", Icons.Material.Outlined.Sync, "warn", Moving: true),
            WorkloadState.Stopping => new("Stopping", Icons.Material.Outlined.Sync, "idle", Moving: true),
            WorkloadState.Succeeded => new("Succeeded", Icons.Material.Outlined.CheckCircle, "ok"),
            WorkloadState.Failed => new("Failed", Icons.Material.Outlined.ErrorOutline, "bad"),
            WorkloadState.Stopped => new("Stopped", Icons.Material.Outlined.StopCircle, "idle"),
            _ => Unknown(state),
        };

    public static StateLook Of(AttemptState state) =>
        state switch
        {
            AttemptState.Leased => new("Leased", Icons.Material.Outlined.Bookmark, "idle"),
            AttemptState.Creating => new("Creating", Icons.Material.Outlined.Sync, "run", Moving: true),
            AttemptState.Running => new("Running", Icons.Material.Outlined.PlayCircle, "run"),
            AttemptState.Exited => new("Exited", Icons.Material.Outlined.Logout, "idle"),
            AttemptState.Lost => new("Lost", Icons.Material.Outlined.LinkOff, "bad"),
            _ => Unknown(state),
        };

    public static StateLook Of(HostState state) =>
        state switch
        {
            HostState.Ready => new("Ready", Icons.Material.Outlined.CheckCircle, "ok"),
            HostState.Draining => new("Draining", Icons.Material.Outlined.MoveDown, "warn"),
            HostState.Unreachable => new("Unreachable", Icons.Material.Outlined.CloudOff, "bad"),
            HostState.Disabled => new("Disabled", Icons.Material.Outlined.Block, "idle"),
            _ => Unknown(state),
        };

    private static StateLook Unknown(Enum state) => new(state.ToString(), Icons.Material.Outlined.HelpOutline, "idle");
}
