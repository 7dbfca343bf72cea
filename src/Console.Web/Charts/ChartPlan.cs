using DeepLab.Core.Metrics;

namespace DeepLab.Web.Charts;

/// <param name="Label">no other line of its chart has it</param>
public sealed record LinePlan(string Label, SeriesInfo Series)
{
    /// <summary>Milliseconds since 1970, both inclusive, where it is not drawn whole.</summary>
    public (long From, long To)? Range { get; init; }
}

/// <summary>Which series one chart draws.</summary>
public sealed record ChartPlan(string Title, ChartUnit Unit, IReadOnlyList<LinePlan> Lines)
{
    /// <summary>The address of a file of its series.</summary>
    /// <param name="path">of the file, with what else it asks for behind a `?`</param>
    public string CsvAt(string path) =>
        Lines
            .Select(l => l.Series.Key.Name)
            .Distinct()
            .Aggregate(
                path,
                (address, name) => $"{address}{(address.Contains('?') ? '&' : '?')}name={Uri.EscapeDataString(name)}"
            );
}

/// <summary>The charts of the console's own series, in the order in which they are shown.</summary>
public static class MachineCharts
{
    private static readonly (string Title, ChartUnit Unit, (string Name, string Label)[] Series)[] s_container =
    [
        ("CPU, cores", ChartUnit.Cores, [(SeriesNames.Cpu, "CPU")]),
        ("Memory", ChartUnit.Bytes, [(SeriesNames.Memory, "Memory")]),
        (
            "Network",
            ChartUnit.BytesPerSecond,
            [(SeriesNames.NetworkRead, "received"), (SeriesNames.NetworkWrite, "sent")]
        ),
        (
            "Block devices",
            ChartUnit.BytesPerSecond,
            [(SeriesNames.BlockRead, "read"), (SeriesNames.BlockWrite, "written")]
        ),
        ("Disk of the engine", ChartUnit.Bytes, [(SeriesNames.Disk, "used")]),
    ];

    private static readonly (string Title, ChartUnit Unit, string Name)[] s_gpu =
    [
        ("GPU utilisation", ChartUnit.Percent, SeriesNames.GpuUtilisation),
        ("GPU memory", ChartUnit.Bytes, SeriesNames.GpuMemory),
        ("GPU temperature", ChartUnit.Celsius, SeriesNames.GpuTemperature),
        ("GPU power", ChartUnit.Watts, SeriesNames.GpuPower),
    ];

    /// <summary>Charts of a container or a host: those that it has series for.</summary>
    public static IEnumerable<ChartPlan> Container(IReadOnlyList<SeriesInfo> series) =>
        s_container
            .Select(c => new ChartPlan(
                c.Title,
                c.Unit,
                [
                    .. c.Series.SelectMany(s =>
                        series.Where(i => i.Key.Name == s.Name).Select(i => new LinePlan(s.Label, i))
                    ),
                ]
            ))
            .Where(c => c.Lines.Count > 0);

    /// <summary>One chart a reading, one line a GPU.</summary>
    public static IEnumerable<ChartPlan> Gpus(IReadOnlyList<(string Label, IReadOnlyList<SeriesInfo> Series)> gpus) =>
        s_gpu
            .Select(c => new ChartPlan(
                c.Title,
                c.Unit,
                [
                    .. gpus.SelectMany(g =>
                        g.Series.Where(i => i.Key.Name == c.Name).Select(i => new LinePlan(g.Label, i))
                    ),
                ]
            ))
            .Where(c => c.Lines.Count > 0);
}
