using System.Text;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;

namespace DeepLab.Web.Boards;

/// <summary>A histogram of one step.</summary>
/// <param name="Counts">in buckets of equal width from least to greatest</param>
public sealed record HistogramStep(long Step, double Min, double Max, IReadOnlyList<float> Counts);

/// <summary>What the program wrote beside curves: histograms, images, texts and hyper-parameters.</summary>
/// <param name="workloadId">the page has checked that the viewer may see it</param>
public sealed class MediaBoard(
    long workloadId,
    IMediaStore media,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<MediaBoard> logger
) : Board(feed, time, logger)
{
    /// <summary>Ridges in one drawing.</summary>
    private const int MostRidges = 24;
    private string _seen = "";

    public IReadOnlyList<(MediaInfo Info, IReadOnlyList<HistogramStep> Steps)> Histograms { get; private set; } = [];
    public IReadOnlyList<MediaInfo> Images { get; private set; } = [];
    public IReadOnlyList<(MediaInfo Info, string Text)> Texts { get; private set; } = [];

    /// <summary>By name, a value a source; null where the run has none of it.</summary>
    public IReadOnlyList<(string Name, string?[] Values)> Parameters { get; private set; } = [];
    public IReadOnlyList<string> ParameterSources { get; private set; } = [];

    public bool Empty => Histograms.Count + Images.Count + Texts.Count + Parameters.Count == 0;

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(5);

    protected override bool Matters(Change change) => change.Kind == ChangeKind.Metrics;

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        var found = await media.ListAsync(workloadId, ct);
        var now = string.Join(
            '|',
            found.Select(f => $"{f.Kind} {f.Tag} {f.Source} {f.Steps[^1]} {f.Steps.Count} {f.Bytes}")
        );
        if (now == _seen)
        {
            return false;
        }
        await FillAsync(found, ct);
        _seen = now;
        return true;
    }

    private async Task FillAsync(IReadOnlyList<MediaInfo> found, CancellationToken ct)
    {
        var histograms = new List<(MediaInfo, IReadOnlyList<HistogramStep>)>();
        var texts = new List<(MediaInfo, string)>();
        var parameters = new SortedDictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        foreach (var info in found)
        {
            if (info.Kind == MediaKind.Histogram)
            {
                var items = await media.ReadAsync(workloadId, info.Kind, info.Tag, info.Source, null, ct);
                // What is kept is thinned while it grows
                if (items.Count > 0)
                {
                    histograms.Add((info, [.. Thin(items).Select(Step)]));
                }
            }
            else if (info.Kind is MediaKind.Text or MediaKind.Parameters)
            {
                var item = (
                    await media.ReadAsync(workloadId, info.Kind, info.Tag, info.Source, info.Steps[^1], ct)
                ).FirstOrDefault();
                if (info.Kind == MediaKind.Text)
                {
                    texts.Add((info, Encoding.UTF8.GetString(item?.Data ?? [])));
                }
                else if (item is { Data.Length: > 0 })
                {
                    Spread(item, parameters);
                }
            }
        }
        Histograms = histograms;
        Texts = texts;
        Images = [.. found.Where(f => f.Kind == MediaKind.Image)];
        ParameterSources = [.. found.Where(f => f.Kind == MediaKind.Parameters).Select(f => f.Source)];
        Parameters =
        [
            .. parameters.Select(p => (p.Key, ParameterSources.Select(s => p.Value.GetValueOrDefault(s)).ToArray())),
        ];
    }

    /// <summary>Evenly over the steps, the first and the last among them.</summary>
    private static IEnumerable<MediaItem> Thin(IReadOnlyList<MediaItem> items) =>
        items.Count <= MostRidges
            ? items
            : Enumerable.Range(0, MostRidges).Select(i => items[(int)((long)i * (items.Count - 1) / (MostRidges - 1))]);

    private static HistogramStep Step(MediaItem item)
    {
        var (min, max, _, counts) = EventHistogram.Unpack(item.Data);
        return new HistogramStep(item.Step, min, max, counts);
    }

    private static void Spread(MediaItem written, SortedDictionary<string, Dictionary<string, string>> into)
    {
        foreach (var (name, value) in RunMedia.ReadParameters(written.Data))
        {
            if (!into.TryGetValue(name, out var values))
            {
                into[name] = values = new Dictionary<string, string>(StringComparer.Ordinal);
            }
            values[written.Source] = value;
        }
    }
}
