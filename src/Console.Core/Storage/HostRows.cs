using DeepLab.Core.Clusters;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>What hangs on a host's row.</summary>
public static class HostRows
{
    private const int Named = 3;

    /// <summary>What may still run or hold something there, in words; null where nothing does.</summary>
    public static async Task<string?> WhatHoldsAsync(ConsoleDb db, Guid hostId, CancellationToken ct)
    {
        var attempts = db
            .Attempts.AsNoTracking()
            .Where(a =>
                a.HostId == hostId
                && (!a.ContainerRemoved || db.Leases.Any(l => l.AttemptId == a.Id && l.ReleasedAt == null))
            );
        var some = await attempts
            .OrderBy(a => a.Id)
            .Take(Named)
            .Select(a => new { a.WorkloadId, a.ReplicaName })
            .ToListAsync(ct);
        if (some.Count == 0)
        {
            return null;
        }
        var more = await attempts.CountAsync(ct) - some.Count;
        return string.Join(", ", some.Select(a => $"{a.ReplicaName} of job {a.WorkloadId}"))
            + (more > 0 ? $" and {more} more" : "")
            + (some.Count + more == 1 ? " is there" : " are there");
    }

    /// <summary>Takes it out with its GPUs. Its jobs' history and its series stay.</summary>
    public static async Task RemoveAsync(ConsoleDb db, Host host, CancellationToken ct)
    {
        await db.Gpus.Where(g => g.HostId == host.Id).ExecuteDeleteAsync(ct);
        await db.EngineOutages.Where(o => o.HostId == host.Id).ExecuteDeleteAsync(ct);
        db.Hosts.Remove(host);
    }
}
