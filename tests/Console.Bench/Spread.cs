using System.Globalization;

namespace DeepLab.Bench;

/// <summary>What a row of measurements says. Ranks are the nearest: with 30 values the 99th percentile is the greatest.</summary>
internal sealed record Spread(int Count, double Min, double Q1, double Median, double Q3, double P99, double Max)
{
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        BenchException.Require(sorted.Length > 0, "nothing was measured");
        double At(double share) =>
            sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(sorted.Length, sorted[0], At(0.25), median, At(0.75), At(0.99), sorted[^1]);
    }

    /// <summary>Median, with the middle half in brackets.</summary>
    public string Middle(string unit) => $"{Text(Median)} {unit} ({Text(Q1)}-{Text(Q3)})";

    /// <summary>Three significant digits, thousands with a separator.</summary>
    public static string Text(double value) =>
        Math.Abs(value) switch
        {
            >= 100 => value.ToString("#,0", CultureInfo.InvariantCulture),
            >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
            >= 1 => value.ToString("0.00", CultureInfo.InvariantCulture),
            _ => value.ToString("0.000", CultureInfo.InvariantCulture),
        };
}
