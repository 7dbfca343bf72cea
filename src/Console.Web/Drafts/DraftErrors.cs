using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

/// <summary>Everything that is wrong with a draft, found by the field that it belongs to.</summary>
/// <param name="fields">paths that the form has a field for, an error below one of them is that field's; null = a job's</param>
public sealed class DraftErrors(IReadOnlyList<SpecError> all, IReadOnlyCollection<string>? fields = null)
{
    private static readonly string[] s_ofJob =
    [
        "name",
        "cluster",
        "image",
        "script",
        "code",
        "env",
        "volumes",
        "datasets",
        "metrics",
        "priority",
        "maxDuration",
        "restart.maxRestarts",
        "checkpoint.everySteps",
        "checkpoint.volume",
        "checkpoint.keep",
        "checkpoint.bestBy",
        "roles[0].name",
        "roles[0].replicas",
        "roles[0].command",
        "roles[0].resources.gpus",
        "roles[0].resources.gpuModel",
        "roles[0].resources.gpuMemory",
        "roles[0].resources.cpus",
        "roles[0].resources.memory",
        "roles[0].resources.shm",
    ];

    public IReadOnlyList<SpecError> All => all;

    /// <summary>Those that no field of the form shows.</summary>
    public IEnumerable<SpecError> Elsewhere => all.Where(e => !(fields ?? s_ofJob).Any(f => Belongs(e.Path, f)));

    /// <summary>Null where the field is right.</summary>
    public string? Of(string field)
    {
        var mine = all.Where(e => Belongs(e.Path, field))
            .Select(e => e.Path == field ? e.Message : $"{e.Path}: {e.Message}");
        var text = string.Join(" ", mine);
        return text.Length > 0 ? text : null;
    }

    /// <summary>Of the field itself, not of what lies below it; null where that is right.</summary>
    public string? OfItself(string field) => all.FirstOrDefault(e => e.Path == field)?.Message;

    private static bool Belongs(string path, string field) =>
        path.StartsWith(field, StringComparison.Ordinal)
        && (path.Length == field.Length || path[field.Length] is '.' or '[');
}
