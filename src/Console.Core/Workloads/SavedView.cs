namespace DeepLab.Core.Workloads;

/// <summary>A search of the history under a name.</summary>
public sealed class SavedView
{
    public Guid Id { get; set; }
    public Guid OwnerId { get; set; }
    public required string OwnerName { get; set; }
    public required string Name { get; set; }

    /// <summary>As it was typed; it was right when it was saved.</summary>
    public required string Query { get; set; }

    /// <summary>Its members see it too; null = its owner alone.</summary>
    public Guid? TeamId { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
}
