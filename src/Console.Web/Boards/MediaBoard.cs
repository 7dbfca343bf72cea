using System.Text;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;

namespace DeepLab.Web.Boards;

/// <summary>A histogram of one step.</summary>
/// <param name="Counts">in buckets of equal width from least to greatest</param>
public sealed record HistogramStep(long Step, double Min, double Max, IReadOnlyList<float> Counts);

/// <summary>What there is of one name and source. What is in it is read once it is looked at.</summary>
/// <param name="id">of this process alone</param>
public sealed class MediaSection(int id, MediaInfo info)
{
    private (long, int, long)? _read;

    public int Id => id;
    public MediaInfo Info { get; internal set; } = info;

    /// <summary>Null until it is read.</summary>
    public IReadOnlyList<HistogramStep>? Histogram { get; private set; }

    /// <summary>Of the newest step; null until it is read.</summary>
    public string? Text { get; private set; }

    /// <summary>What is shown of it is what is stored of it.</summary>
    internal bool IsFresh => Info.Kind == MediaKind.Image || _read == Sign(Info);

    internal void Take(MediaInfo of, IReadOnlyList<HistogramStep>? histogram, string? text) =>
        (_read, Histogram, Text) = (Sign(of), histogram, text);

    internal static (long, int, long) Sign(MediaInfo info) => (info.Steps[^1], info.Steps.Count, info.Bytes);
}

/// <summary>
/// What the program wrote beside curves: histograms, images, texts and hyper-parameters, as they come. Of however many,
/// those alone are read that a viewer looks at.
/// </summary>
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
    private static int s_sections;
    private readonly Dictionary<(MediaKind, string, string), MediaSection> _known = [];
    private readonly Dictionary<string, ((long, int, long) Read, IReadOnlyList<(string, string)> Values)> _parameters =
    [];

    /// <summary>The loop and the page read in turn.</summary>
    private readonly SemaphoreSlim _reading = new(1, 1);
    private HashSet<int> _looked = [];

    /// <summary>Histograms, images and texts, in this order.</summary>
    public IReadOnlyList<MediaSection> Sections { get; private set; } = [];

    /// <summary>By name, a value a source; null where the run has none of it.</summary>
    public IReadOnlyList<(string Name, string?[] Values)> Parameters { get; private set; } = [];
    public IReadOnlyList<string> ParameterSources { get; private set; } = [];

    public bool Empty => Sections.Count + Parameters.Count == 0;

    protected override TimeSpan Pace { get; } = TimeSpan.FromSeconds(2);

    protected override bool Matters(Change change) => change == new Change(ChangeKind.Media, workloadId);

    /// <summary>Reads what a viewer looks at now, and what comes to it from now on.</summary>
    /// <param name="ids">of sections; others are left alone</param>
    public async Task LookAsync(IReadOnlyCollection<int> ids, CancellationToken ct)
    {
        _looked = [.. ids];
        bool isNew;
        await _reading.WaitAsync(ct);
        try
        {
            isNew = await ReadAsync(ct);
        }
        finally
        {
            _reading.Release();
        }
        if (isNew)
        {
            await RaiseAsync();
        }
    }

    protected override async Task<bool> LoadAsync(IReadOnlyCollection<Change> changes, CancellationToken ct)
    {
        await _reading.WaitAsync(ct);
        try
        {
            var found = await media.ListAsync(workloadId, ct);
            var isNew = List(found);
            isNew |= await SpreadAsync([.. found.Where(f => f.Kind == MediaKind.Parameters)], ct);
            return await ReadAsync(ct) || isNew;
        }
        finally
        {
            _reading.Release();
        }
    }

    private bool List(IReadOnlyList<MediaInfo> found)
    {
        var sections = new List<MediaSection>();
        var isNew = false;
        foreach (var info in found.Where(f => f.Kind != MediaKind.Parameters).OrderBy(f => f.Kind))
        {
            var key = (info.Kind, info.Tag, info.Source);
            if (!_known.TryGetValue(key, out var section))
            {
                _known[key] = section = new MediaSection(Interlocked.Increment(ref s_sections), info);
                isNew = true;
            }
            isNew |= MediaSection.Sign(section.Info) != MediaSection.Sign(info);
            section.Info = info;
            sections.Add(section);
        }
        isNew |= sections.Count != Sections.Count;
        Sections = sections;
        return isNew;
    }

    private async Task<bool> ReadAsync(CancellationToken ct)
    {
        var isNew = false;
        var looked = _looked;
        foreach (var section in Sections.Where(s => looked.Contains(s.Id) && !s.IsFresh))
        {
            var info = section.Info;
            var isHistogram = info.Kind == MediaKind.Histogram;
            var items = await media.ReadAsync(
                workloadId,
                info.Kind,
                info.Tag,
                info.Source,
                isHistogram ? null : info.Steps[^1],
                ct
            );
            // What is kept is thinned while it grows
            if (items.Count > 0)
            {
                section.Take(
                    info,
                    isHistogram ? [.. Thin(items).Select(Step)] : null,
                    isHistogram ? null : Encoding.UTF8.GetString(items[0].Data)
                );
                isNew = true;
            }
        }
        return isNew;
    }

    private async Task<bool> SpreadAsync(IReadOnlyList<MediaInfo> found, CancellationToken ct)
    {
        var isNew = false;
        foreach (var info in found)
        {
            var sign = MediaSection.Sign(info);
            if (_parameters.TryGetValue(info.Source, out var known) && known.Read == sign)
            {
                continue;
            }
            var items = await media.ReadAsync(workloadId, info.Kind, info.Tag, info.Source, info.Steps[^1], ct);
            if (items is [{ Data.Length: > 0 } item])
            {
                _parameters[info.Source] = (sign, RunMedia.ReadParameters(item.Data));
                isNew = true;
            }
        }
        if (isNew)
        {
            ParameterSources = [.. found.Select(f => f.Source).Where(_parameters.ContainsKey)];
            var values = ParameterSources
                .Select(s => _parameters[s].Values.ToDictionary(v => v.Item1, v => v.Item2, StringComparer.Ordinal))
                .ToArray();
            Parameters =
            [
                .. values
                    .SelectMany(v => v.Keys)
                    .Distinct(StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal)
                    .Select(name => (name, values.Select(v => v.GetValueOrDefault(name)).ToArray())),
            ];
        }
        return isNew;
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
}
