using System.Text.Json;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Workloads;

namespace DeepLab.Api.Workloads;

/// <summary>One environment, flat, so that a script reads `.state`.</summary>
/// <param name="Waits">why it waits, in order; empty unless queued</param>
/// <param name="Links">paths at this console, while it runs</param>
/// <param name="Ssh">line to copy into a terminal, while it runs and has SSH</param>
/// <param name="Endpoints">ports that its host publishes for it</param>
/// <param name="HomeHost">the host that has its home; null before its first start</param>
/// <param name="Spec">as it was understood, every default spelled out; no secret is part of it</param>
public sealed record EnvironmentResponse(
    long Id,
    string Name,
    string Owner,
    string Team,
    string Cluster,
    WorkloadState State,
    Reason Reason,
    string Message,
    DesiredState Desired,
    string Image,
    int GpusAsked,
    int GpusHeld,
    string? Host,
    EnvironmentProgress Progress,
    IReadOnlyList<WaitReason> Waits,
    int? QueuePosition,
    DateTimeOffset? EstimatedStart,
    IReadOnlyList<EnvironmentLink> Links,
    string? Ssh,
    IReadOnlyList<EndpointView> Endpoints,
    EnvironmentIdle Idle,
    string? HomeHost,
    DateTimeOffset SubmittedAt,
    DateTimeOffset QueuedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<ReplicaView> Replicas,
    JsonElement Spec
)
{
    public static EnvironmentResponse Of(EnvironmentDetail found)
    {
        var (job, row) = (found.Job, found.Job.Row);
        using var spec = JsonDocument.Parse(job.SpecJson);
        return new EnvironmentResponse(
            row.Id,
            row.Name,
            row.Owner,
            job.Team,
            job.Cluster,
            row.State,
            row.Reason,
            row.Message,
            job.Desired,
            job.Image,
            row.GpusAsked,
            row.GpusHeld,
            row.Host,
            found.Progress,
            job.Waits,
            job.QueuePosition,
            job.EstimatedStart,
            found.Links,
            found.SshLine,
            found.Endpoints,
            found.Idle,
            found.HomeHost,
            row.SubmittedAt,
            row.QueuedAt,
            row.StartedAt,
            row.EndedAt,
            job.Replicas,
            spec.RootElement.Clone()
        );
    }
}

/// <summary>One line of the list of environments.</summary>
public sealed record EnvironmentRowResponse(
    long Id,
    string Name,
    string Owner,
    WorkloadState State,
    Reason Reason,
    string Message,
    string Image,
    int GpusAsked,
    int GpusHeld,
    string? Host,
    EnvironmentProgress Progress,
    EnvironmentIdle Idle,
    IReadOnlyList<EnvironmentLink> Links,
    DateTimeOffset SubmittedAt,
    DateTimeOffset? StartedAt,
    DateTimeOffset? EndedAt
)
{
    public static EnvironmentRowResponse Of(EnvironmentRow e) =>
        new(
            e.Row.Id,
            e.Row.Name,
            e.Row.Owner,
            e.Row.State,
            e.Row.Reason,
            e.Row.Message,
            e.Image,
            e.Row.GpusAsked,
            e.Row.GpusHeld,
            e.Row.Host,
            e.Progress,
            e.Idle,
            e.Links,
            e.Row.SubmittedAt,
            e.Row.StartedAt,
            e.Row.EndedAt
        );
}
