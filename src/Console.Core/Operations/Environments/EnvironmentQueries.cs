using System.Globalization;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <summary>Reads of environments. Members find their own, admins all.</summary>
public sealed class EnvironmentQueries(IDbContextFactory<ConsoleDb> databases, JobQueries jobs, ConsoleOptions options)
{
    public async Task<Outcome<Page<EnvironmentRow>>> ListAsync(
        Actor actor,
        JobFilter filter,
        string? cursor,
        int limit,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await WorkloadLists.PageAsync(
            JobQueries.Filter(db, actor, filter, WorkloadKind.Environment),
            cursor,
            limit,
            list => RowsAsync(list, ct),
            row => row.Row.Id
        );
    }

    /// <summary>A window of the list by position, newest first, and how many there are in all.</summary>
    public async Task<(IReadOnlyList<EnvironmentRow> Rows, int Total)> WindowAsync(
        Actor actor,
        JobFilter filter,
        int skip,
        int take,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await WorkloadLists.WindowAsync(
            JobQueries.Filter(db, actor, filter, WorkloadKind.Environment),
            skip,
            take,
            list => RowsAsync(list, ct),
            ct
        );
    }

    public async Task<EnvironmentDetail?> FindAsync(Actor actor, long id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var w = await db
            .Workloads.AsNoTracking()
            .VisibleTo(actor)
            .SingleOrDefaultAsync(x => x.Id == id && x.Kind == WorkloadKind.Environment, ct);
        if (w is null || await jobs.FindAsync(actor, id, ct) is not { } job)
        {
            return null;
        }
        var spec = StoredSpec.ReadEnvironmentToShow(w);
        var endpoints = await db
            .Endpoints.AsNoTracking()
            .Where(e => e.WorkloadId == id && e.ReleasedAt == null)
            .OrderBy(e => e.Id)
            .Select(e => new EndpointView(e.Name, e.Kind, e.ContainerPort, e.Address, e.Port))
            .ToListAsync(ct);
        var ssh = w.State == WorkloadState.Running ? endpoints.Find(e => e.Name == Endpoint.Ssh) : null;
        return new EnvironmentDetail(
            job,
            spec.Environment!,
            spec.Roles[0].Resources,
            Progress(w),
            Idle(w, spec.Environment!),
            Links(w, spec.Environment!),
            ssh is null ? null : string.Create(CultureInfo.InvariantCulture, $"ssh -p {ssh.Port} lab@{ssh.Address}"),
            endpoints,
            w.HomeHostId is { } home
                ? await db.Hosts.Where(h => h.Id == home).Select(h => h.Name).SingleOrDefaultAsync(ct)
                : null
        );
    }

    private async Task<List<EnvironmentRow>> RowsAsync(IQueryable<Workload> list, CancellationToken ct) =>
        [.. (await list.ToListAsync(ct)).Select(Row)];

    private EnvironmentRow Row(Workload w)
    {
        var spec = StoredSpec.ReadEnvironmentToShow(w);
        var environment = spec.Environment!;
        return new EnvironmentRow(
            JobRows.Compiled(w),
            spec.Image,
            environment.Jupyter,
            environment.TensorBoard,
            environment.Ssh,
            Progress(w),
            Idle(w, environment),
            Links(w, environment)
        );
    }

    private EnvironmentIdle Idle(Workload w, EnvironmentSpec environment)
    {
        var after = environment.IdleLimit(options.IdleAfter);
        return new EnvironmentIdle(after > TimeSpan.Zero ? after : null, w.LastActiveAt, w.CullAt, w.CullWarned);
    }

    private static EnvironmentLink[] Links(Workload w, EnvironmentSpec environment) =>
        w.State == WorkloadState.Running
            ?
            [
                .. environment
                    .Doors()
                    .Where(d => d.Kind == EndpointKind.Http)
                    .Select(d => new EnvironmentLink(d.Name, Endpoint.PathOf(w.Id, d.Name))),
            ]
            : [];

    private static EnvironmentProgress Progress(Workload w) =>
        w.State switch
        {
            WorkloadState.Queued or WorkloadState.Restarting => new(EnvironmentStep.Queued, null, w.Message),
            WorkloadState.Starting => w.Reason switch
            {
                Reason.PullingImage => new(EnvironmentStep.Pulling, w.PullFraction, w.Message),
                Reason.WaitingForJupyter => new(EnvironmentStep.WaitingForJupyter, null, w.Message),
                Reason.WaitingForTensorBoard => new(EnvironmentStep.WaitingForTensorBoard, null, w.Message),
                _ => new(EnvironmentStep.Creating, null, w.Message),
            },
            WorkloadState.Running => new(EnvironmentStep.Ready, null, w.Message),
            WorkloadState.Stopping => new(EnvironmentStep.Stopping, null, w.Message),
            _ => new(EnvironmentStep.Ended, null, w.Message),
        };
}
