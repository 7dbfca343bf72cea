namespace DeepLab.Web.Components.Pages.Environments.New;

/// <param name="Key">in the address</param>
/// <param name="Fields">paths of the definition that it asks for</param>
public sealed record WizardStep(string Key, string Title, IReadOnlyList<string> Fields)
{
    public static IReadOnlyList<WizardStep> All { get; } =
    [
        new("cluster", "Cluster", ["cluster"]),
        new("name", "Name", ["name", "team"]),
        new("image", "Framework", ["image"]),
        new("resources", "Resources", ["gpus", "gpuModel", "gpuMemory", "cpus", "memory", "shm", "placement"]),
        new("volumes", "Data", ["volumes", "datasets", "home"]),
        new("access", "Access", ["jupyter", "tensorboard", "ssh", "ports", "idleAfter"]),
        new("review", "Review", []),
    ];

    public static IReadOnlyList<string> AllFields { get; } = [.. All.SelectMany(s => s.Fields)];

    public static int Last => All.Count - 1;

    /// <summary>The first where the key names none.</summary>
    public static int IndexOf(string? key) => Math.Max(0, All.ToList().FindIndex(s => s.Key == key));
}
