using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>The doors of one environment on one host, before their rows are written.</summary>
/// <param name="Trouble">why it cannot have them, as a sentence; null where it can</param>
/// <param name="Ports">of the host, one a door</param>
public sealed record Doors(
    Guid HostId,
    string Address,
    IReadOnlyList<(string Name, EndpointKind Kind, int Port)> Inside,
    IReadOnlyList<int> Ports,
    string? Trouble = null
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
                    ContainerPort = door.Port,
                    Address = Address,
                    Port = port,
                    LeasedAt = now,
                }
        );
}

/// <summary>Leases the ports of environments, in the transaction that leases their GPUs.</summary>
public sealed class DoorLeases(PortBook book)
{
    /// <param name="opened">found in this transaction and not written yet</param>
    public async Task<Doors> FindAsync(
        ConsoleDb db,
        Workload w,
        Guid hostId,
        IReadOnlyList<Doors> opened,
        CancellationToken ct
    )
    {
        var inside = StoredSpec.Read(w.SpecJson).Environment!.Doors();
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == hostId, ct);
        if (host.PublishAddress is not { } address)
        {
            return new Doors(
                hostId,
                "",
                [],
                [],
                $"{host.Name} has no IP address that its environments could be reached at: an admin gives it one as its network address"
            );
        }
        int[] besides = [.. opened.Where(d => d.HostId == hostId).SelectMany(d => d.Ports)];
        var ports = await book.FindAsync(db, hostId, inside.Count, besides, ct);
        return new Doors(
            hostId,
            address,
            inside,
            ports,
            ports.Count == inside.Count
                ? null
                : $"{host.Name} has too few free ports: {ports.Count} of {book.Range.Count} ({book.Range}), and it needs {inside.Count}"
        );
    }

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
