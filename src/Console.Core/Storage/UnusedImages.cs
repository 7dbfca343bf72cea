using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>How an image came to a host.</summary>
public enum ImageSource
{
    /// <summary>By a snapshot or a build of this console's.</summary>
    Made,

    /// <summary>From a registry, since a workload or an admin of this console asked for it.</summary>
    Pulled,

    /// <summary>By somebody else's hands.</summary>
    Foreign,
}

/// <param name="LastUsedAt">when the last workload with it was there, or else when it was pulled; null where neither is known</param>
public sealed record UnusedImage(string Reference, string Host, ImageSource Source, DateTimeOffset? LastUsedAt);

/// <summary>
/// Which images of hosts nothing names and nothing used lately. One that an entry of the catalogue, a workload that has not ended,
/// an environment, stopped or not, an open task or the console itself names is never among them.
/// </summary>
public static class UnusedImages
{
    private sealed record Candidate(string Reference, string Host, DateTimeOffset? PulledAt);

    private sealed record Use(string? Image, string? Pinned, DateTimeOffset Last, bool Now);

    /// <param name="usedBefore">nothing with it was there since</param>
    /// <param name="own">reference that the console's own containers are made from</param>
    /// <param name="except">a task that does not count as open: the one that asks</param>
    public static async Task<IReadOnlyList<UnusedImage>> FindAsync(
        ConsoleDb db,
        IReadOnlyCollection<ImageSource> sources,
        DateTimeOffset usedBefore,
        string own,
        CancellationToken ct,
        long except = 0
    )
    {
        var candidates = (await CandidatesAsync(db, except, ct))
            .Select(c => (Image: c, Source: SourceOf(c)))
            .Where(x => sources.Contains(x.Source))
            .ToList();
        if (candidates.Count == 0)
        {
            return [];
        }
        var named = (await db.Images.Select(i => new { i.Reference, i.Pinned }).ToListAsync(ct))
            .SelectMany(i => new[] { i.Reference, i.Pinned })
            .OfType<string>()
            .Append(own)
            .Select(ImageReference.FamiliarOf)
            .ToHashSet(StringComparer.Ordinal);
        var uses = new Uses(await UsesAsync(db, ct));
        return
        [
            .. candidates
                .Where(x => !named.Contains(x.Image.Reference) && !uses.IsNow(x.Image.Reference))
                .Select(x => new UnusedImage(
                    x.Image.Reference,
                    x.Image.Host,
                    x.Source,
                    uses.LastOf(x.Image.Reference) ?? x.Image.PulledAt
                ))
                .Where(x => x.LastUsedAt is null || x.LastUsedAt < usedBefore),
        ];
    }

    private static ImageSource SourceOf(Candidate c) =>
        MadeImages.IsMade(c.Reference) ? ImageSource.Made
        : c.PulledAt is not null ? ImageSource.Pulled
        : ImageSource.Foreign;

    private static Task<List<Candidate>> CandidatesAsync(ConsoleDb db, long except, CancellationToken ct) =>
        db
            .Database.SqlQuery<Candidate>(
                $"""
                select i.reference, h.name as host, p.pulled_at
                from hosts h cross join lateral unnest(h.images) as i(reference)
                  left join pulled_images p on p.host_id = h.id and p.reference = i.reference
                -- Hosts list ids beside names: an image goes by its name, or stays
                where i.reference not like 'sha256:%' and not exists (select 1 from image_tasks t
                  where t.reference = i.reference and t.state in ('Waiting','Running') and t.id <> {except})
                order by i.reference, h.name
                """
            )
            .ToListAsync(ct);

    /// <summary>By what workloads name; a name of the catalogue stands for what its entry says, which is named anyway.</summary>
    private static Task<List<Use>> UsesAsync(ConsoleDb db, CancellationToken ct) =>
        db
            .Database.SqlQuery<Use>(
                $"""
                select i.image, i.pinned,
                  max(coalesce(w.ended_at, w.submitted_at)) as last,
                  bool_or((w.kind = 'Environment' and w.deleted_at is null)
                    or w.state not in ('Succeeded','Failed','Stopped')
                    or exists (select 1 from attempts a where a.workload_id = w.id and not a.container_removed)) as now
                from workloads w cross join lateral (
                  select w.spec_json->>'image' as image, w.pinned_image as pinned
                  union all select r->>'image', w.pinned_role_images->>(r->>'image')
                  -- Edited by hand, it may be anything
                  from jsonb_array_elements(case jsonb_typeof(w.spec_json->'roles') when 'array' then w.spec_json->'roles'
                    else '[]'::jsonb end) r where r->>'image' is not null) i
                group by 1, 2
                """
            )
            .ToListAsync(ct);

    /// <summary>A workload that was pinned to a digest uses every tag of that name: which of them it was then, nobody knows now.</summary>
    private sealed class Uses
    {
        private readonly Dictionary<string, (DateTimeOffset Last, bool Now)> _byName = new(StringComparer.Ordinal);

        public Uses(IEnumerable<Use> uses)
        {
            foreach (var use in uses)
            {
                foreach (var name in Names(use))
                {
                    var known = _byName.GetValueOrDefault(name);
                    _byName[name] = (use.Last > known.Last ? use.Last : known.Last, use.Now || known.Now);
                }
            }
        }

        public bool IsNow(string reference) => Found(reference).Any(u => u.Now);

        public DateTimeOffset? LastOf(string reference) => Found(reference).Max(u => (DateTimeOffset?)u.Last);

        private IEnumerable<(DateTimeOffset Last, bool Now)> Found(string reference)
        {
            foreach (var name in (string[])[reference, RepositoryOf(reference)])
            {
                if (_byName.TryGetValue(name, out var use))
                {
                    yield return use;
                }
            }
        }

        private static IEnumerable<string> Names(Use use)
        {
            foreach (var text in ((string?[])[use.Image, use.Pinned]).OfType<string>())
            {
                var familiar = ImageReference.FamiliarOf(text);
                yield return familiar.Contains('@') ? RepositoryOf(familiar) : familiar;
            }
        }

        private static string RepositoryOf(string familiar)
        {
            var name = familiar.Split('@')[0];
            var colon = name.LastIndexOf(':');
            return colon > name.LastIndexOf('/') ? name[..colon] : name;
        }
    }
}
