using System.Net;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Placement;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>The doors of one replica on its host, before their rows are written.</summary>
/// <param name="Ports">of the host, one a door</param>
public sealed record Doors(
    string Replica,
    Guid HostId,
    string Address,
    IReadOnlyList<(string Name, EndpointKind Kind, int Port)> Inside,
    IReadOnlyList<int> Ports
)
{
    /// <summary>Has its id by the time that <see cref="Rows"/> is asked for.</summary>
    public Attempt? Attempt { get; init; }

    public IEnumerable<Endpoint> Rows(DateTimeOffset now) =>
        Inside.Zip(
            Ports,
            (door, port) =>
                new Endpoint
                {
                    WorkloadId = Attempt!.WorkloadId,
                    AttemptId = Attempt.Id,
                    HostId = HostId,
                    Name = door.Name,
                    Kind = door.Kind,
                    ContainerPort = door.Kind == EndpointKind.HostNetwork ? port : door.Port,
                    Address = Address,
                    Port = port,
                    LeasedAt = now,
                }
        );
}

/// <summary>The doors of one round, or why it cannot have them, as a sentence: exactly one is not null.</summary>
public sealed record FoundDoors(IReadOnlyList<Doors>? All, string? Trouble);

/// <summary>Leases ports of hosts, in the transaction that leases their GPUs: of environments, and of jobs on their hosts' networks.</summary>
public sealed class DoorLeases(PortBook book)
{
    public static bool AreFor(Workload w, JobRequest request) =>
        w.Kind == WorkloadKind.Environment || request.HostNetwork;

    /// <param name="opened">found in this transaction and not written yet</param>
    public async Task<FoundDoors> FindAsync(
        ConsoleDb db,
        Workload w,
        JobPlacement placement,
        IReadOnlyList<Doors> opened,
        CancellationToken ct
    )
    {
        var stored = StoredSpec.Read(w.SpecJson);
        var spec = stored.InRound(stored.Roles is [{ MinReplicas: not null }] ? placement.Replicas.Length : null);
        var all = new List<Doors>();
        // In one order, so that two transactions do not wait for each other's host
        foreach (var there in placement.Replicas.GroupBy(r => r.HostId).OrderBy(g => g.Key))
        {
            var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == there.Key, ct);
            if (host.PublishAddress is not { } address || (placement.HostNames.Count > 1 && IsItsOwnAlone(address)))
            {
                return new FoundDoors(
                    null,
                    $"{host.Name} has no IP address that {(spec.Environment is null ? "other hosts reach it by" : "its environments could be reached at")}: an admin gives it one as its network address"
                );
            }
            var wanted = there
                .Select(r => $"{r.Role}-{r.Index}")
                .Select(r => (Replica: r, Inside: InsideOf(spec, r)))
                .ToArray();
            int[] besides = [.. opened.Where(d => d.HostId == host.Id).SelectMany(d => d.Ports)];
            var count = wanted.Sum(d => d.Inside.Count);
            var ports = await book.FindAsync(db, host.Id, count, besides, ct);
            if (ports.Count < count)
            {
                return new FoundDoors(
                    null,
                    $"{host.Name} has too few free ports: {ports.Count} of {book.Range.Count} ({book.Range}), and it needs {count}"
                );
            }
            var next = 0;
            foreach (var (replica, inside) in wanted)
            {
                all.Add(new Doors(replica, host.Id, address, inside, [.. ports.Skip(next).Take(inside.Count)]));
                next += inside.Count;
            }
        }
        return new FoundDoors(all, null);
    }

    private static IReadOnlyList<(string Name, EndpointKind Kind, int Port)> InsideOf(JobSpec spec, string replica) =>
        spec.Environment?.Doors()
        ?? [.. ReplicaPorts.Of(spec, replica).Select(p => (p.Name, EndpointKind.HostNetwork, p.Port))];

    private static bool IsItsOwnAlone(string address) => IPAddress.IsLoopback(IPAddress.Parse(address));

    /// <summary>Says why it still waits although there is room for it; once.</summary>
    public void Tell(ConsoleDb db, Workload w, string trouble, DateTimeOffset now)
    {
        if (w.Message != trouble)
        {
            w.Message = trouble;
            w.Reason = Reason.WaitingForHost;
            db.AddEvent(w, now, "console", "waiting", w.Reason, trouble);
        }
    }
}
