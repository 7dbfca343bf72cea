using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Storage;

/// <summary>When images leave their hosts by themselves: one row, or none where nobody said anything.</summary>
public sealed class ImagePolicy
{
    public int Id { get; set; } = 1;

    /// <summary>Nothing used it for as many days; null = none goes.</summary>
    public int? UnusedDays { get; set; }

    /// <summary>Also images that no console pulled or made.</summary>
    public bool Foreign { get; set; }

    public IReadOnlyCollection<ImageSource> Sources =>
        Foreign ? [ImageSource.Made, ImageSource.Pulled, ImageSource.Foreign] : [ImageSource.Made, ImageSource.Pulled];

    /// <summary>What was used since then stays; null = all does.</summary>
    public DateTimeOffset? Cutoff(DateTimeOffset now) => UnusedDays is { } days ? now - TimeSpan.FromDays(days) : null;
}

/// <summary>An image that is on a host since this console asked its engine for it.</summary>
public sealed class PulledImage
{
    public Guid HostId { get; set; }

    /// <summary>As engines list it.</summary>
    public required string Reference { get; set; }

    /// <summary>The last time.</summary>
    public DateTimeOffset PulledAt { get; set; }

    /// <summary>True whoever writes it, and how often.</summary>
    public static Task<int> NoteAsync(
        ConsoleDb db,
        Guid hostId,
        string reference,
        DateTimeOffset at,
        CancellationToken ct
    ) =>
        db.Database.ExecuteSqlAsync(
            $"""
            insert into pulled_images (host_id, reference, pulled_at)
            select {hostId}, {reference}, {at} where exists (select 1 from hosts where id = {hostId})
            on conflict (host_id, reference) do update set pulled_at = excluded.pulled_at
            """,
            ct
        );
}
