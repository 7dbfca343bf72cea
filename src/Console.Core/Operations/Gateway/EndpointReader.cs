using System.Net;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Gateway;

public enum DoorState
{
    /// <summary>Nothing runs behind it yet, and something will.</summary>
    Starting,
    Open,

    /// <summary>What was behind it ended, was asked to, or was deleted.</summary>
    Ended,
}

/// <summary>An endpoint of a workload as it is now.</summary>
/// <param name="EndpointId">the row that <paramref name="Address"/> is of; another one is another container. 0 unless open</param>
/// <param name="Address">where its host publishes it; null unless open</param>
/// <param name="Token">what Jupyter wants to see; null where it wants nothing</param>
public sealed record Door(
    WorkloadKind Kind,
    Guid OwnerId,
    bool IsDeleted,
    DoorState State,
    long EndpointId = 0,
    IPEndPoint? Address = null,
    string? Token = null
)
{
    public bool MayBeOpenedBy(Actor actor) => Verb.MaySee(actor, OwnerId);

    /// <summary>The token is left out.</summary>
    public override string ToString() => $"{State} {Address}";
}

/// <summary>Reads where an endpoint is reached: from the database's rows alone, and only of the container that lives.</summary>
public sealed class EndpointReader(IDbContextFactory<ConsoleDb> databases, SecretBox secrets)
{
    /// <summary>Null where there is no such workload, or it runs and has no such endpoint. HTTP only: SSH has a port of its own.</summary>
    public async Task<Door?> FindAsync(long workloadId, string name, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var held = db.Endpoints.Where(e => e.WorkloadId == workloadId && e.ReleasedAt == null);
        var found = await db
            .Workloads.AsNoTracking()
            .Where(w => w.Id == workloadId)
            .Select(w => new
            {
                w.Kind,
                w.OwnerId,
                w.DeletedAt,
                w.State,
                w.Desired,
                HasOthers = held.Any(e => e.Name != name || e.Kind != EndpointKind.Http),
                Row = held.Where(e => e.Name == name && e.Kind == EndpointKind.Http)
                    .Where(e =>
                        db.Attempts.Any(a =>
                            a.Id == e.AttemptId && a.WorkloadId == workloadId && a.State == AttemptState.Running
                        )
                    )
                    .OrderBy(e => e.Id)
                    .Select(e => new
                    {
                        e.Id,
                        e.Address,
                        e.Port,
                    })
                    .FirstOrDefault(),
                HasSame = held.Any(e => e.Name == name && e.Kind == EndpointKind.Http),
                Sealed = db
                    .Secrets.Where(s => s.WorkloadId == workloadId && s.Name == WorkloadSecret.JupyterToken)
                    .Select(s => s.Sealed)
                    .FirstOrDefault(),
            })
            .SingleOrDefaultAsync(ct);
        if (found is null)
        {
            return null;
        }
        var door = new Door(found.Kind, found.OwnerId, found.DeletedAt is not null, DoorState.Ended);
        if (
            door.IsDeleted
            || found.State.IsTerminal()
            || found.State == WorkloadState.Stopping
            || found.Desired == DesiredState.Stop
        )
        {
            return door;
        }
        if (!found.HasSame && found.HasOthers)
        {
            return null;
        }
        if (found.Row is null || !IPAddress.TryParse(found.Row.Address, out var address))
        {
            return door with { State = DoorState.Starting };
        }
        var isJupyter = found.Kind == WorkloadKind.Environment && name == Endpoint.Jupyter;
        return door with
        {
            State = DoorState.Open,
            EndpointId = found.Row.Id,
            Address = new IPEndPoint(address, found.Row.Port),
            Token = isJupyter && found.Sealed is { } text ? secrets.Open(PurposeOfToken(workloadId), text) : null,
        };
    }

    private static string PurposeOfToken(long workloadId) =>
        FormattableString.Invariant($"workload-secret/{workloadId}/{WorkloadSecret.JupyterToken}");
}
