using System.Globalization;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>The engine's descriptions of a container, as ours.</summary>
internal static class ContainerReports
{
    public static ContainerReport From(ContainerInspectResponse c) =>
        new(
            c.ID,
            c.Name.TrimStart('/'),
            c.Config?.Image ?? c.Image,
            State(c.State!.Status),
            (int)c.State.Pid,
            (int)c.State.ExitCode,
            c.State.OOMKilled,
            c.State.Error ?? "",
            Time(c.State.StartedAt),
            Time(c.State.FinishedAt),
            DockerEngine.Copy(c.Config?.Labels),
            [.. (c.HostConfig?.DeviceRequests ?? []).SelectMany(d => d.DeviceIDs ?? [])]
        )
        {
            Memory = c.HostConfig?.Memory,
            Cpus = c.HostConfig?.NanoCPUs / 1e9,
            ImageId = c.Image,
        };

    public static ContainerSummary From(ContainerListResponse c) =>
        new(c.ID, (c.Names?.FirstOrDefault() ?? "").TrimStart('/'), State(c.State), DockerEngine.Copy(c.Labels));

    private static ContainerState State(string? status) =>
        status switch
        {
            "created" => ContainerState.Created,
            "running" => ContainerState.Running,
            "paused" => ContainerState.Paused,
            "restarting" => ContainerState.Restarting,
            "removing" => ContainerState.Removing,
            "exited" => ContainerState.Exited,
            "dead" => ContainerState.Dead,
            _ => throw new EngineException(EngineErrorKind.Other, $"The engine knows a state \"{status}\"; we do not."),
        };

    /// <summary>The engine writes the year 1 for "never".</summary>
    private static DateTimeOffset? Time(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
        && at.Year > 1
            ? at
            : null;
}
