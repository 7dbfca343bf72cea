using DeepLab.Core.Clusters;
using DeepLab.Core.Operations;
using DeepLab.Core.Volumes;
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

    public static StateLook Of(DatasetState state) =>
        state switch
        {
            DatasetState.Making => new("Being made", Icons.Material.Outlined.Sync, "run", Moving: true),
            DatasetState.Ready => new("Ready", Icons.Material.Outlined.CheckCircle, "ok"),
            DatasetState.Failed => new("Failed", Icons.Material.Outlined.ErrorOutline, "bad"),
            _ => Unknown(state),
        };

    /// <summary>A run that is the last word on a model, and no choice is made by it.</summary>
    public static StateLook FinalRun { get; } = new("Final test run", Icons.Material.Outlined.Flag, "warn");

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

    /// <summary>As its state, but one that answers and yet takes no work does not look ready.</summary>
    public static StateLook Of(HostView host) =>
        host switch
        {
            { Wish: HostWish.Fenced } => new("Fenced", Icons.Material.Outlined.Fence, "idle"),
            { State: HostState.Ready, Closed: not null, Preflight: null } => new(
                "Not checked",
                Icons.Material.Outlined.HourglassEmpty,
                "warn"
            ),
            { State: HostState.Ready, Closed: not null } => new(
                "Preflight failed",
                Icons.Material.Outlined.RuleFolder,
                "bad"
            ),
            _ => Of(host.State),
        };

    public static StateLook Of(GpuHealth health) =>
        health switch
        {
            GpuHealth.Healthy => new("Healthy", Icons.Material.Outlined.CheckCircle, "ok"),
            GpuHealth.Sick => new("Sick", Icons.Material.Outlined.ReportProblem, "bad"),
            GpuHealth.Leaked => new("Leaked", Icons.Material.Outlined.WaterDrop, "bad"),
            GpuHealth.Squatted => new("Squatted", Icons.Material.Outlined.PersonOff, "warn"),
            GpuHealth.Fenced => new("Fenced", Icons.Material.Outlined.Fence, "idle"),
            GpuHealth.Evicting => new("Evicting", Icons.Material.Outlined.Sync, "warn", Moving: true),
            GpuHealth.Adopted => new("Adopted", Icons.Material.Outlined.Handshake, "idle"),
            _ => Unknown(health),
        };

    /// <summary>How a GPU stands: what is wrong with it before who holds it, and free only where it can be had.</summary>
    /// <param name="open">its host takes new work</param>
    public static StateLook Of(GpuView gpu, bool open) =>
        gpu switch
        {
            { Health: not GpuHealth.Healthy } => Of(gpu.Health),
            { HeldBy: { } holder } => new($"Held by {holder.WorkloadName}", Icons.Material.Outlined.Lock, "run"),
            { Held: true } => new("Held by another user", Icons.Material.Outlined.Lock, "run"),
            _ when !open => new("Host takes no new work", Icons.Material.Outlined.Block, "idle"),
            _ => new("Free", Icons.Material.Outlined.RadioButtonUnchecked, "ok"),
        };

    public static StateLook Of(FindingSeverity severity) =>
        severity switch
        {
            FindingSeverity.Ok => new("OK", Icons.Material.Outlined.CheckCircle, "ok"),
            FindingSeverity.Warning => new("Warning", Icons.Material.Outlined.ReportProblem, "warn"),
            FindingSeverity.Error => new("Error", Icons.Material.Outlined.ErrorOutline, "bad"),
            _ => Unknown(severity),
        };

    /// <summary>The network between two hosts.</summary>
    public static StateLook SlowNetwork { get; } = new("Slow network", Icons.Material.Outlined.NetworkCheck, "warn");

    private static StateLook Unknown(Enum state) => new(state.ToString(), Icons.Material.Outlined.HelpOutline, "idle");
}
