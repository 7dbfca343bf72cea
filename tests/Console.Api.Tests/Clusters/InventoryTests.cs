using DeepLab.Core.Metrics;
using DeepLab.Core.Reconcile;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Clusters;

public sealed class InventoryTests(ApiHost host)
{
    [Fact]
    public async Task What_the_probe_of_a_removed_host_still_tells_brings_none_of_its_gpus_back()
    {
        await using var db = await host.DbAsync();
        var epoch = await db.Database.SqlQuery<long>($"select epoch as \"Value\" from leadership").SingleAsync();
        var writes = ActivatorUtilities.CreateInstance<HostWrites>(
            host.Services,
            ActivatorUtilities.CreateInstance<LeaderWrites>(host.Services)
        );
        var kept = await db.Hosts.Where(h => h.Name == "local").Select(h => h.Id).SingleAsync();
        foreach (var (of, expected) in new[] { (Guid.NewGuid(), 0), (kept, 1) })
        {
            var uuid = $"GPU-{Guid.NewGuid()}";
            await writes.InventoryAsync(
                new LeaderTerm(epoch, default),
                of,
                [new GpuInventoryRow(7, uuid, "Simulated", 1 << 30, "1", "0")]
            );
            Assert.Equal(expected, await db.Gpus.Where(g => g.Uuid == uuid).ExecuteDeleteAsync());
        }
    }
}
