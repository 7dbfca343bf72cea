using System.Collections.Immutable;
using System.Text.Json;

namespace DeepLab.Core.Workloads;

/// <summary>Which metrics are read out of a job's log, beside those of event files.</summary>
public sealed record MetricsSpec
{
    /// <summary>Regular expressions with named groups, see <see cref="LogPatterns"/>; empty = every `name=value`.</summary>
    public ImmutableArray<string> Patterns { get; init; } = [];

    public bool Equals(MetricsSpec? other) => other is not null && Patterns.SequenceEqual(other.Patterns);

    public override int GetHashCode() => Patterns.Length;
}

/// <summary>The `metrics` of a spec.</summary>
internal static class SpecMetrics
{
    public static readonly string[] Keys = ["patterns"];

    public static MetricsSpec? Read(SpecNode? node, Func<string, string?> misplaced)
    {
        if (node is not { } given || SpecObject.Read(given, Keys, misplaced) is not { } metrics)
        {
            return null;
        }
        if (metrics.Find("patterns")?.Items(1, LogPatterns.MostPatterns) is not { } items)
        {
            return new MetricsSpec();
        }
        var patterns = ImmutableArray.CreateBuilder<string>();
        foreach (var item in items)
        {
            if (item.Line(1, LogPatterns.LongestPattern) is not { } pattern)
            {
                continue;
            }
            if (LogPatterns.WhyNot(pattern) is { } why)
            {
                item.Fail(why);
            }
            patterns.Add(pattern);
        }
        return new MetricsSpec { Patterns = patterns.DrainToImmutable() };
    }

    public static void Write(Utf8JsonWriter w, MetricsSpec metrics)
    {
        w.WriteStartObject("metrics");
        if (metrics.Patterns.Length > 0)
        {
            w.WriteStartArray("patterns");
            foreach (var pattern in metrics.Patterns)
            {
                w.WriteStringValue(pattern);
            }
            w.WriteEndArray();
        }
        w.WriteEndObject();
    }
}
