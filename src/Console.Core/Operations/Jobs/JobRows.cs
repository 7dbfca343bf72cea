using System.Linq.Expressions;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

internal static class JobRows
{
    public static Expression<Func<Workload, JobRow>> FromWorkload { get; } =
        w => new JobRow(
            w.Id,
            w.Name,
            w.OwnerName,
            w.State,
            w.Reason,
            w.Message,
            w.GpusAsked,
            w.GpusHeld,
            w.HostName,
            w.Priority,
            w.SubmittedAt,
            w.QueuedAt,
            w.StartedAt,
            w.EndedAt
        )
        {
            Labels = w.Labels,
            Pinned = w.Pinned,
            GpuModels = w.GpuModels,
            // As Workload.UnsavedSince, for the database
            UnsavedSince =
                w.State != WorkloadState.Running && w.State != WorkloadState.Stopping ? null
                : w.CheckpointAt != null && w.CheckpointAt > (w.Round == 1 ? w.StartedAt : w.PlacedAt) ? w.CheckpointAt
                : w.Round == 1 ? w.StartedAt
                : w.PlacedAt,
        };

    public static Func<Workload, JobRow> Compiled { get; } = FromWorkload.Compile();
}

internal static class ReplicaReader
{
    private static readonly ILookup<long, PortView> s_noPorts = Array.Empty<PortView>().ToLookup(_ => 0L);

    /// <param name="withPorts">those on its hosts' networks, which only a job with <see cref="Workload.HostNetwork"/> has</param>
    public static async Task<IReadOnlyList<ReplicaView>> ReadAsync(
        ConsoleDb db,
        long workloadId,
        bool withPorts,
        CancellationToken ct
    )
    {
        var replicas = await db
            .Replicas.AsNoTracking()
            .Where(r => r.WorkloadId == workloadId)
            .OrderBy(r => r.Role)
            .ThenBy(r => r.Index)
            .ToListAsync(ct);
        var attempts = (
            await db
                .Attempts.AsNoTracking()
                .Where(a => a.WorkloadId == workloadId)
                .OrderBy(a => a.Number)
                // Its host may have been taken out since
                .LeftJoin(db.Hosts, a => a.HostId, h => h.Id, (a, h) => new { Attempt = a, Host = h!.Name })
                .ToListAsync(ct)
        ).OrderBy(a => a.Attempt.Number).ToLookup(a => a.Attempt.ReplicaId);
        var gpus = (
            await db
                .Leases.AsNoTracking()
                .Where(l => l.WorkloadId == workloadId)
                .OrderBy(l => l.Id)
                .Select(l => new { l.AttemptId, l.GpuUuid })
                .ToListAsync(ct)
        ).ToLookup(l => l.AttemptId, l => l.GpuUuid);
        var ports = withPorts ? await PortsAsync(db, workloadId, ct) : s_noPorts;
        return
        [
            .. replicas.Select(r => new ReplicaView(
                r.Name,
                r.Role,
                r.Index,
                [
                    .. attempts[r.Id]
                        .Select(a => View(a.Attempt, a.Host ?? "", [.. gpus[a.Attempt.Id]], [.. ports[a.Attempt.Id]])),
                ]
            )),
        ];
    }

    private static async Task<ILookup<long, PortView>> PortsAsync(
        ConsoleDb db,
        long workloadId,
        CancellationToken ct
    ) =>
        (
            await db
                .Endpoints.AsNoTracking()
                .Where(e => e.WorkloadId == workloadId && e.Kind == EndpointKind.HostNetwork)
                .OrderBy(e => e.Id)
                .Select(e => new
                {
                    e.AttemptId,
                    e.Name,
                    e.Address,
                    e.Port,
                })
                .ToListAsync(ct)
        ).ToLookup(e => e.AttemptId, e => new PortView(e.Name, e.Address, e.Port));

    private static AttemptView View(
        Attempt a,
        string host,
        IReadOnlyList<string> gpus,
        IReadOnlyList<PortView> ports
    ) =>
        new(
            a.Id,
            a.Number,
            a.State,
            a.Reason,
            a.Message,
            host,
            a.ContainerId,
            a.ContainerName,
            a.ExitCode,
            a.OomKilled,
            a.LeasedAt,
            a.StartedAt,
            a.EndedAt,
            a.LogArchived,
            a.Findings,
            gpus
        )
        {
            ResumeFrom = a.ResumeFrom,
            ResumeStep = a.ResumeStep,
            ImageId = a.ImageId,
            Ports = ports,
        };
}
