using System.Text.Json;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;

namespace DeepLab.Api.Workloads;

/// <summary>What is to be changed; what is absent or null stays.</summary>
/// <param name="Labels">all labels, in place of those of before: names with texts, `{}` for none; at most 32</param>
/// <param name="Notes">at most 4,000 characters</param>
/// <param name="Pinned">it stays in the history, however old it gets</param>
public sealed record RunEditRequest(JsonElement? Labels = null, string? Notes = null, bool? Pinned = null)
{
    /// <summary>Everything that is wrong with it, at once.</summary>
    public (RunEdit Edit, IReadOnlyList<SpecError> Errors) Read()
    {
        var (labels, errors) = Labels is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } given
            ? SpecLabels.Read(given, "labels")
            : (null, (IReadOnlyList<SpecError>)[]);
        var edit = new RunEdit(labels, Notes, Pinned);
        return (edit, edit.WhyNot is { } wrong ? [.. errors, wrong] : errors);
    }
}
