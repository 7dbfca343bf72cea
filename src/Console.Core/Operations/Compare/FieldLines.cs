namespace DeepLab.Core.Operations.Compare;

/// <summary>One field of all runs.</summary>
/// <param name="Values">one a run, in the order of the runs; null where it has no such field</param>
public sealed record FieldLine(FieldKind Kind, string Path, IReadOnlyList<string?> Values);

/// <param name="Differs">what at least one run has otherwise than another, or has not</param>
/// <param name="Equal">what all have alike</param>
/// <param name="LeftOut">fields beyond the most that are told of each</param>
public sealed record FieldLines(IReadOnlyList<FieldLine> Differs, IReadOnlyList<FieldLine> Equal, int LeftOut)
{
    /// <summary>Of those that differ, and again of those that are equal.</summary>
    public const int Most = 1000;

    /// <summary>Characters of a value that are shown; all of them are compared.</summary>
    public const int MostOfValue = 300;

    /// <summary>By kind, then in the order in which the runs have them.</summary>
    /// <param name="runs">the fields of each</param>
    public static FieldLines Of(IReadOnlyList<IReadOnlyList<RunField>> runs)
    {
        var paths = new List<(FieldKind Kind, string Path)>();
        var values = new Dictionary<(FieldKind, string), string?[]>();
        for (var run = 0; run < runs.Count; run++)
        {
            foreach (var field in runs[run])
            {
                var key = (field.Kind, field.Path);
                if (!values.TryGetValue(key, out var line))
                {
                    values[key] = line = new string?[runs.Count];
                    paths.Add(key);
                }
                line[run] = field.Value;
            }
        }
        var lines = paths.OrderBy(p => p.Kind).Select(p => new FieldLine(p.Kind, p.Path, values[p])).ToLookup(IsEqual);
        return new FieldLines(
            [.. lines[false].Take(Most).Select(Clip)],
            [.. lines[true].Take(Most).Select(Clip)],
            Math.Max(0, lines[false].Count() - Most) + Math.Max(0, lines[true].Count() - Most)
        );
    }

    private static bool IsEqual(FieldLine line) => line.Values.All(v => v is not null && v == line.Values[0]);

    private static FieldLine Clip(FieldLine line) => line with { Values = [.. line.Values.Select(Clip)] };

    private static string? Clip(string? value)
    {
        if (value is null || value.Length <= MostOfValue)
        {
            return value;
        }
        var end = MostOfValue - 1;
        // Half a character is none
        return value[..(char.IsHighSurrogate(value[end - 1]) ? end - 1 : end)] + "…";
    }
}
