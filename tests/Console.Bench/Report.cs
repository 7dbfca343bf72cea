using System.Globalization;
using System.Text.Json;

namespace DeepLab.Bench;

/// <summary>One line of the table.</summary>
/// <param name="Yardstick">null where nothing stands beside it in this run</param>
/// <param name="Ratio">ours over the yardstick's; null without one, or where it is 0</param>
internal sealed record Comparison(string What, string Unit, Spread Ours, Spread? Yardstick, double? Ratio);

/// <param name="Ratio">null where the yardstick is absent: then it is neither met nor short</param>
internal sealed record Verdict(string Name, double? Ratio, double Target, bool AtMost, string Of)
{
    public string Word =>
        Ratio is not { } r ? "absent"
        : (AtMost ? r <= Target : r >= Target) ? "met"
        : "short";

    public string Line
    {
        get
        {
            var ratio = Ratio?.ToString("0.000", CultureInfo.InvariantCulture) ?? "none";
            var sign = AtMost ? "<=" : ">=";
            return string.Create(
                CultureInfo.InvariantCulture,
                $"RESULT {Name} ratio={ratio} target={sign}{Target:0.###} {Word}"
            );
        }
    }
}

/// <summary>Says what a benchmark found, as it finds it, and writes it down at the end.</summary>
internal sealed class Report(string name)
{
    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web) { WriteIndented = true };
    private readonly List<string> _notes = [];
    private readonly List<Comparison> _rows = [];
    private readonly List<Verdict> _verdicts = [];
    private readonly string _loadBefore = Machine.Load();

    public void Say(string line)
    {
        _notes.Add(line);
        Console.WriteLine(line);
    }

    public void Add(string what, string unit, IEnumerable<double> ours, IEnumerable<double>? yardstick = null)
    {
        var mine = Spread.Of(ours);
        var theirs = yardstick is null ? null : Spread.Of(yardstick);
        _rows.Add(
            new Comparison(what, unit, mine, theirs, theirs is { Median: > 0 } ? mine.Median / theirs.Median : null)
        );
    }

    /// <summary>A figure that is one number of many measurements, such as a percentile or a rate.</summary>
    public void AddFigure(string what, string unit, double ours, double? yardstick = null) =>
        Add(what, unit, [ours], yardstick is { } y ? [y] : null);

    /// <param name="of">what the ratio is of, as a sentence</param>
    public void Judge(string verdict, double? ratio, double target, bool atMost, string of) =>
        _verdicts.Add(new Verdict(verdict, ratio, target, atMost, of));

    /// <summary>Nothing could be measured, and that is no failure: the sentence says what is missing.</summary>
    public void Skip(string why, double target, bool atMost)
    {
        Say(why);
        Judge(name, null, target, atMost, why);
    }

    /// <summary>Prints the table and the verdicts, the benchmark's own last, and writes all as JSON.</summary>
    public async Task EndAsync(CancellationToken ct)
    {
        Print();
        var load = Machine.Load();
        Console.WriteLine($"load of this machine: {_loadBefore} before, {load} after");
        Directory.CreateDirectory(Setting.Out);
        var path = Path.Combine(Setting.Out, name + ".json");
        await File.WriteAllTextAsync(
            path,
            JsonSerializer.Serialize(
                new
                {
                    name,
                    at = TimeProvider.System.GetUtcNow(),
                    cpus = Environment.ProcessorCount,
                    loadBefore = _loadBefore,
                    loadAfter = load,
                    rows = _rows,
                    verdicts = _verdicts.Select(v => new
                    {
                        v.Name,
                        v.Ratio,
                        v.Target,
                        v.AtMost,
                        v.Word,
                        v.Of,
                    }),
                    notes = _notes,
                },
                s_json
            ),
            ct
        );
        Console.WriteLine($"written to {path}");
        foreach (var v in _verdicts.OrderBy(v => v.Name == name))
        {
            Console.WriteLine(v.Line);
        }
    }

    private void Print()
    {
        string[] head = ["", "ours (middle half)", "yardstick (middle half)", "ratio", "ours min-max", "rounds"];
        var lines = _rows.Select(r =>
            new[]
            {
                r.What,
                r.Ours.Middle(r.Unit),
                r.Yardstick?.Middle(r.Unit) ?? "-",
                r.Ratio is { } ratio ? Spread.Text(ratio) : "-",
                $"{Spread.Text(r.Ours.Min)}-{Spread.Text(r.Ours.Max)}",
                r.Ours.Count.ToString(CultureInfo.InvariantCulture),
            }
        );
        string[][] all = [head, .. lines];
        var widths = Enumerable.Range(0, head.Length).Select(i => all.Max(l => l[i].Length)).ToArray();
        foreach (var line in all)
        {
            Console.WriteLine(
                string.Join("  ", line.Select((cell, i) => i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i])))
            );
        }
    }
}
