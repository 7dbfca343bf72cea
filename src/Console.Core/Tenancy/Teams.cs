namespace DeepLab.Core.Tenancy;

/// <summary>The most that may be held at one time; null = no limit.</summary>
/// <param name="Memory">bytes</param>
/// <param name="Running">workloads that hold anything</param>
public sealed record Quota(int? Gpus = null, double? Cpus = null, long? Memory = null, int? Running = null)
{
    public static Quota None { get; } = new();
}

/// <summary>People who share a part of the lab.</summary>
public sealed class Team
{
    public Guid Id { get; set; }
    public required string Name { get; set; }

    /// <summary>Part of the lab it should get while others want theirs too: 2 gets twice what 1 gets.</summary>
    public double Weight { get; set; } = 1;
    public Quota Quota { get; set; } = Quota.None;

    /// <summary>GPU-seconds of ended attempts, halved for each half-life since <see cref="RecentUseAt"/>.</summary>
    public double RecentGpuSeconds { get; set; }
    public DateTimeOffset RecentUseAt { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>The team of everyone who is in none; there is always one of this name.</summary>
    public const string Everyone = "everyone";
    public static readonly TimeSpan HalfLife = TimeSpan.FromHours(6);

    /// <summary>What is left at <paramref name="now"/> of what it lately used, GPU-seconds.</summary>
    public double RecentAt(DateTimeOffset now) =>
        RecentGpuSeconds * Math.Pow(0.5, Math.Max(0, (now - RecentUseAt) / HalfLife));
}

public sealed class TeamMember
{
    public Guid TeamId { get; set; }
    public Guid UserId { get; set; }
}
