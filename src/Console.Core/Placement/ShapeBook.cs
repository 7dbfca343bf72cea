using System.Collections.Immutable;
using System.Runtime.InteropServices;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>Finds the shape of a job: thousands of jobs that wait ask for a few different things.</summary>
internal sealed class ShapeBook(HostTable hosts)
{
    private readonly Dictionary<RoleKey, int> _roles = [];

    /// <summary>A list, of roles or of words, is its first ones, already numbered, and its last.</summary>
    private readonly Dictionary<long, int> _lists = [];
    private readonly Dictionary<string, int> _words = new(StringComparer.Ordinal);
    private readonly Dictionary<string, bool[]?> _images = new(StringComparer.Ordinal);
    private readonly Dictionary<int, bool[]?> _allowed = [];
    private readonly Dictionary<ShapeKey, Shape> _shapes = [];
    private ShapeKey _lastKey;
    private Shape? _last;

    private readonly record struct RoleKey(int Replicas, int Gpus, int Model, long GpuMemory, double Cpus, long Memory);

    private readonly record struct ShapeKey(int Cluster, int Roles, int Placement, bool Spans);

    public Shape Of(JobRequest job)
    {
        var list = 0;
        foreach (var role in job.Roles)
        {
            var r = role.Resources;
            var key = new RoleKey(
                role.Replicas,
                r.Gpus,
                r.GpuModel is null ? 0 : Number(_words, r.GpuModel),
                r.GpuMemory ?? -1,
                r.Cpus,
                r.Memory
            );
            list = Then(list, Number(_roles, key));
        }
        var cluster = hosts.ClusterOf(job.ClusterId);
        var shape = new ShapeKey(cluster, list, PlacementNumber(job.Placement), MaySpan(hosts, job, cluster));
        if (_last is not null && shape == _lastKey)
        {
            return _last;
        }
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_shapes, shape, out _);
        (_lastKey, _last) = (
            shape,
            known ??= Make(hosts, job, shape.Cluster, AllowedFor(shape.Placement, job.Placement))
        );
        return known;
    }

    /// <summary>What the roles of a job need, and where they may go.</summary>
    public static Shape Make(HostTable hosts, JobRequest job, int cluster, bool[]? allowed)
    {
        var needs = Needs(hosts, job.Roles);
        var counts = needs.Select(n => n.Replicas).ToArray();
        var whole = Part.Of(needs, counts);
        var spans = MaySpan(hosts, job, cluster);
        return new Shape
        {
            Cluster = cluster,
            Needs = needs,
            Whole = whole,
            Singles = [.. needs.Select((_, i) => Part.Of(needs, [.. counts.Select((_, j) => i == j ? 1 : 0)]))],
            Placement = job.Placement,
            MaySpan = spans,
            OneHost = !spans || job.Placement.Mode == PlacementMode.SameHost || whole.Replicas == 1,
            AnyGpuSuits = needs.All(n => n.Kinds is null),
            Families = hosts.FamiliesFor(needs),
            Allowed = allowed,
        };
    }

    private static bool MaySpan(HostTable hosts, JobRequest job, int cluster) =>
        cluster >= 0 && hosts.Clusters[cluster] is var of && (of.SpansHosts || (of.Trusted && job.HostNetwork));

    /// <summary>Hosts that have all of its images; null where that tells none from another.</summary>
    public bool[]? WithImages(JobRequest job)
    {
        // No reference has a space in it
        var key = job.OtherImages.IsEmpty ? job.Image : string.Join(' ', job.OtherImages.Prepend(job.Image));
        if (_images.TryGetValue(key, out var known))
        {
            return known;
        }
        var has = new bool[hosts.Slots.Length];
        var count = 0;
        for (var h = 0; h < has.Length; h++)
        {
            var there = hosts.Slots[h].Images;
            has[h] = there.Contains(job.Image) && job.OtherImages.All(there.Contains);
            count += has[h] ? 1 : 0;
        }
        return _images[key] = count == 0 || count == has.Length ? null : has;
    }

    private static Need[] Needs(HostTable hosts, ImmutableArray<RoleSpec> roles) =>
        [
            .. roles
                .Select((r, i) => new Need(i, r.Replicas, r.Resources, hosts.Kinds(r.Resources)))
                .OrderBy(n => n.Kinds?.Count(suits => suits) ?? int.MaxValue)
                .ThenByDescending(n => n.Gpus)
                .ThenByDescending(n => n.Cpus)
                .ThenByDescending(n => n.Memory),
        ];

    private bool[]? AllowedFor(int number, PlacementSpec placement)
    {
        ref var allowed = ref CollectionsMarshal.GetValueRefOrAddDefault(_allowed, number, out var known);
        return known ? allowed : allowed = Allowed(hosts, placement);
    }

    /// <summary>By host, whether labels and exclusions let a job run there; null = everywhere.</summary>
    public static bool[]? Allowed(HostTable hosts, PlacementSpec placement) =>
        IsFree(placement)
            ? null
            : [.. hosts.Slots.Select(h => Fit.HasLabels(h, placement) && !Fit.IsExcluded(h, placement))];

    private int PlacementNumber(PlacementSpec placement)
    {
        if (IsFree(placement))
        {
            return -(int)placement.Mode - 1;
        }
        var list = -(int)placement.Mode - 1;
        foreach (var (name, value) in placement.HostLabels)
        {
            list = Then(Then(list, Number(_words, name)), Number(_words, value));
        }
        // Labels end here: names of hosts are no labels
        return Then(Then(Then(list, 0), placement.ExcludeHosts), placement.OnlyHosts);
    }

    private static bool IsFree(PlacementSpec placement) =>
        placement.HostLabels.Count == 0
        && placement.ExcludeHosts.IsDefaultOrEmpty
        && placement.OnlyHosts.IsDefaultOrEmpty;

    private int Then(int list, ImmutableArray<string> hosts)
    {
        foreach (var host in hosts.IsDefault ? [] : hosts)
        {
            list = Then(list, Number(_words, host));
        }
        return Then(list, 0);
    }

    /// <summary>The number of a list, already numbered, with one more at its end.</summary>
    private int Then(int list, int next) => Number(_lists, ((long)list << 32) | (uint)next);

    private static int Number<TKey>(Dictionary<TKey, int> numbers, TKey key)
        where TKey : notnull
    {
        ref var number = ref CollectionsMarshal.GetValueRefOrAddDefault(numbers, key, out var known);
        if (!known)
        {
            number = numbers.Count;
        }
        return number;
    }
}
