using System.Globalization;
using System.Security.Claims;
using System.Text;
using Bunit;
using DeepLab.Core;
using DeepLab.Core.Feeds;
using DeepLab.Core.Metrics;
using DeepLab.Web.Components.Pages.Jobs;
using DeepLab.Web.Session;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

/// <summary>The panel follows what comes, and reads no more than is looked at.</summary>
public sealed class MediaPanelTests : BunitContext, IAsyncLifetime
{
    private const long Job = 7;
    private const string Source = "worker-0/1";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly Kept _kept = new();
    private readonly ChangeFeed _feed = new();

    public MediaPanelTests()
    {
        Services.AddMudServices();
        Services.AddDeepLabCore(new ConsoleOptions { Database = "Host=/nonexistent", DataFolder = "/nonexistent" });
        Services.AddSingleton<IMediaStore>(_kept);
        Services.AddSingleton(_feed);
        Services.AddScoped<Viewer>();
        Services.AddScoped<CurrentActor>();
        JSInterop.Mode = JSRuntimeMode.Loose;
        var signedIn = AddAuthorization();
        signedIn.SetAuthorized("ada");
        signedIn.SetClaims(new Claim(ClaimTypes.NameIdentifier, Guid.NewGuid().ToString()));
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task What_is_looked_at_is_read_and_follows_and_the_rest_waits_until_it_is()
    {
        await WriteAsync(Histogram("weights", 1), Histogram("weights", 2), Histogram("bias", 1), Text("says", 1));
        var panel = Render<RunMediaPanel>(p => p.Add(c => c.JobId, Job));
        panel.WaitForAssertion(() => Assert.Equal(3, panel.FindAll("section[data-part]").Count), s_patience);
        Assert.Empty(_kept.Reads);

        await panel.Instance.LookAsync([PartOf("weights"), PartOf("says")]);
        panel.WaitForAssertion(() => Assert.EndsWith("2 steps from 1 to 2", Ridges("weights")), s_patience);
        Assert.Equal("said at 1", panel.Find("pre").TextContent);
        Assert.Equal(["weights", "says"], _kept.Reads);
        Assert.Single(panel.FindAll(".unread"));

        await WriteAsync(Histogram("weights", 3), Histogram("bias", 2), Text("says", 2), Text("later", 1));
        _feed.Publish(new Change(ChangeKind.Media, Job));
        panel.WaitForAssertion(() => Assert.EndsWith("3 steps from 1 to 3", Ridges("weights")), s_patience);
        Assert.Equal(["said at 2"], panel.FindAll("pre").Select(p => p.TextContent));
        Assert.Equal(4, panel.FindAll("section[data-part]").Count);
        Assert.DoesNotContain("bias", _kept.Reads);

        await panel.Instance.LookAsync([PartOf("bias")]);
        panel.WaitForAssertion(() => Assert.EndsWith("2 steps from 1 to 2", Ridges("bias")), s_patience);
        // What left the screen stands as it was
        Assert.EndsWith("to 3", Ridges("weights"));

        int PartOf(string tag) =>
            int.Parse(
                panel.Find($"section[aria-label='{tag}']").GetAttribute("data-part")!,
                CultureInfo.InvariantCulture
            );
        string? Ridges(string tag) =>
            panel.Find($"section[aria-label='{tag}'] svg[role=img]").GetAttribute("aria-label");
    }

    [Fact]
    public async Task Parameters_come_by_themselves_and_what_others_write_is_not_looked_for()
    {
        var panel = Render<RunMediaPanel>(p => p.Add(c => c.JobId, Job));
        panel.WaitForAssertion(() => Assert.Equal(1, _kept.Lists), s_patience);
        Assert.Empty(panel.FindAll("section"));

        await WriteAsync(new MediaItem(MediaKind.Parameters, "hparams", Source, 0, 0, """{"lr":0.1}"""u8.ToArray()));
        _feed.Publish(new Change(ChangeKind.Media, Job + 1));
        _feed.Publish(new Change(ChangeKind.Metrics, 0));
        _feed.Publish(new Change(ChangeKind.Media, Job));
        panel.WaitForAssertion(
            () => Assert.Equal(["lr", "0.1"], panel.FindAll("tbody th, tbody td").Select(c => c.TextContent)),
            s_patience
        );
        Assert.Equal(2, _kept.Lists);
    }

    private Task WriteAsync(params MediaItem[] items) => _kept.WriteAsync(Job, items, CancellationToken.None);

    private static MediaItem Text(string tag, long step) =>
        new(MediaKind.Text, tag, Source, step, 0, Encoding.UTF8.GetBytes($"said at {step}"));

    private static MediaItem Histogram(string tag, long step) =>
        new(MediaKind.Histogram, tag, Source, step, 0, new EventHistogram(0, 1, 3, [0.5, 1], [1, 2]).Pack());

    /// <summary>In memory; remembers what was asked of it.</summary>
    private sealed class Kept : IMediaStore
    {
        private readonly List<MediaItem> _items = [];

        public List<string> Reads { get; } = [];
        public int Lists { get; private set; }

        public Task WriteAsync(long workloadId, IReadOnlyCollection<MediaItem> items, CancellationToken ct)
        {
            _items.AddRange(items);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<MediaInfo>> ListAsync(long workloadId, CancellationToken ct)
        {
            Lists++;
            return Task.FromResult<IReadOnlyList<MediaInfo>>([
                .. _items
                    .GroupBy(i => (i.Kind, i.Tag, i.Source))
                    .Select(g => new MediaInfo(
                        g.Key.Kind,
                        g.Key.Tag,
                        g.Key.Source,
                        [.. g.Select(i => i.Step)],
                        g.Sum(i => i.Data.Length)
                    )),
            ]);
        }

        public Task<IReadOnlyList<MediaItem>> ReadAsync(
            long workloadId,
            MediaKind kind,
            string tag,
            string source,
            long? step,
            CancellationToken ct
        )
        {
            Reads.Add(tag);
            return Task.FromResult<IReadOnlyList<MediaItem>>([
                .. _items.Where(i => (i.Kind, i.Tag, i.Source) == (kind, tag, source) && (step ?? i.Step) == i.Step),
            ]);
        }
    }
}
