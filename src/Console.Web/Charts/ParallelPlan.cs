using System.Globalization;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Charts;

/// <param name="Ticks">what is written beside the axis, and how high: 0 at the bottom to 1 at the top</param>
/// <param name="Heights">of each run; null where it has no such value</param>
public sealed record ParallelAxis(
    string Name,
    IReadOnlyList<(double Height, string Word)> Ticks,
    IReadOnlyList<double?> Heights
);

/// <summary>Parallel coordinates: an axis for each field that differs, and one for a metric; a run is a line through them.</summary>
/// <param name="Best">positions of the best runs</param>
public sealed record ParallelPlan(IReadOnlyList<ParallelAxis> Axes, IReadOnlyList<int> Best)
{
    /// <summary>Of fields; more are not told apart.</summary>
    public const int MostFields = 7;

    private static readonly FieldKind[] s_drawn =
    [
        FieldKind.Parameter,
        FieldKind.Command,
        FieldKind.Environment,
        FieldKind.Resources,
    ];

    public static ParallelPlan Of(IReadOnlyList<FieldLine> differs, MetricLine metric, BestBy by) =>
        new(
            [
                .. differs.Where(f => s_drawn.Contains(f.Kind)).Take(MostFields).Select(f => Axis(f.Path, f.Values)),
                Axis(metric.Name, [.. metric.Runs.Select(r => Value(r, by))]),
            ],
            metric.BestOf(by)
        );

    private static string? Value(CurveFigures? run, BestBy by) =>
        run?.By(by) is { } value && double.IsFinite(value) ? value.ToString("R", CultureInfo.InvariantCulture) : null;

    /// <summary>By size where all values are numbers, else by name.</summary>
    private static ParallelAxis Axis(string name, IReadOnlyList<string?> values)
    {
        var numbers = values.Select(Number).ToArray();
        var given = numbers.OfType<double>().ToArray();
        if (given.Length > 0 && given.Length == values.Count(v => v is not null))
        {
            var (least, greatest) = (given.Min(), given.Max());
            double Height(double n) => least == greatest ? 0.5 : (n / 2 - least / 2) / (greatest / 2 - least / 2);
            return new ParallelAxis(
                name,
                least == greatest ? [(0.5, Word(least))] : [(0, Word(least)), (1, Word(greatest))],
                [.. numbers.Select(n => n is { } x ? Height(x) : (double?)null)]
            );
        }
        var words = values.OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        double Place(string word) => words.Count == 1 ? 0.5 : words.IndexOf(word) / (words.Count - 1.0);
        return new ParallelAxis(
            name,
            [.. words.Select(w => (Place(w), w))],
            [.. values.Select(v => v is null ? (double?)null : Place(v))]
        );
    }

    private static double? Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) && double.IsFinite(n)
            ? n
            : null;

    private static string Word(double n) => n.ToString("G4", CultureInfo.InvariantCulture);
}
