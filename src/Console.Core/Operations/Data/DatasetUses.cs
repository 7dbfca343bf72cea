using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Data;

/// <summary>How many workloads that have not ended mount each version of a dataset; one mounts at most one version of it.</summary>
internal sealed class DatasetUses
{
    private readonly Dictionary<(string Name, int Version), int> _counts;

    private DatasetUses(IEnumerable<Use> uses) => _counts = uses.ToDictionary(u => (u.Name, u.Version), u => u.Count);

    public static DatasetUses None { get; } = new([]);

    public int Of(string name, int version) => _counts.GetValueOrDefault((name, version));

    /// <summary>Of all its versions.</summary>
    public int Of(string name) => _counts.Where(u => u.Key.Name == name).Sum(u => u.Value);

    public static async Task<DatasetUses> ReadAsync(ConsoleDb db, CancellationToken ct) =>
        new(
            await db
                .Database.SqlQuery<Use>(
                    $"""
                    select d->>'name' as name, (d->>'version')::int as version, count(distinct w.id)::int as count
                    from workloads w cross join lateral jsonb_array_elements(w.spec_json->'datasets') d
                    where w.state not in ('Succeeded','Failed','Stopped') group by 1, 2
                    """
                )
                .ToListAsync(ct)
        );

    private sealed record Use(string Name, int Version, int Count);
}
