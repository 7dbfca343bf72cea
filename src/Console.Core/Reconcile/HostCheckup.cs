using System.Threading.Channels;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Looks a host over during a session with its engine: the preflight at once, when asked and every hour; its images every
/// minute.
/// </summary>
internal sealed class HostCheckup(
    HostWorker host,
    DriverTools tools,
    IDbContextFactory<ConsoleDb> databases,
    LeaderTerm term
)
{
    private static readonly TimeSpan s_imagesEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_checkEvery = TimeSpan.FromHours(1);

    /// <summary>A container's start takes a second or two, and its image may have to come first.</summary>
    private static readonly TimeSpan s_probes = TimeSpan.FromSeconds(30);

    private readonly Channel<bool> _asked = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );

    private (string Container, DateTimeOffset At)? _devicesTaken;

    /// <summary>Another preflight, soon.</summary>
    public void Ask() => _asked.Writer.TryWrite(true);

    /// <summary>As <see cref="HostWorker.NoteDevicesTaken"/>; it is told for as long as a report stands.</summary>
    public void NoteDevicesTaken(string container)
    {
        _devicesTaken = (container, tools.Time.GetUtcNow());
        Ask();
    }

    /// <summary>Returns only by its token, which it throws, or by what the engine throws.</summary>
    public async Task RunAsync(ProbeSight sight, CancellationToken ct)
    {
        while (_asked.Reader.TryRead(out _)) { }
        await ImagesAsync(ct);
        while (true)
        {
            var began = tools.Time.GetTimestamp();
            await CheckAsync(sight, ct);
            while (tools.Time.GetElapsedTime(began) < s_checkEvery && !await AskedAsync(ct))
            {
                await ImagesAsync(ct);
            }
        }
    }

    private async Task CheckAsync(ProbeSight sight, CancellationToken ct)
    {
        await Task.WhenAll(sight.ToldAsync(s_probes, tools.Time, ct), host.Wall.ToldAsync(s_probes, ct));
        // After it was fenced, what it still runs must end before its GPUs are leased
        await host.ListAsync(ct);
        var report = Preflight.Judge(await GatherAsync(sight, ct), tools.Time.GetUtcNow());
        await tools.Hosts.CheckedAsync(term, host.Host.Id, report);
    }

    private async Task<HostFacts> GatherAsync(ProbeSight sight, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var before = await NowAsync(db, ct);
        var info = await host.Engine.InfoAsync(ct);
        var after = await NowAsync(db, ct);
        var needsSwarm = await db.Clusters.AnyAsync(c => c.Id == host.Host.ClusterId && c.ManagerAddress != null, ct);
        var references = await db.Images.AsNoTracking().OrderBy(i => i.Name).Select(i => i.Reference).ToListAsync(ct);
        return new HostFacts(
            info,
            sight.View,
            info.SystemTime is { } told ? SkewOf(told, before, after) : null,
            needsSwarm,
            await RegistriesAsync(references, ct)
        )
        {
            Wall = host.Wall.View,
            DevicesTaken =
                _devicesTaken is { } taken && tools.Time.GetUtcNow() - taken.At < s_checkEvery ? taken.Container : null,
        };
    }

    /// <summary>Between the two looks at the database's clock the engine's may have stood anywhere: only what lies outside counts.</summary>
    internal static TimeSpan SkewOf(DateTimeOffset told, DateTimeOffset before, DateTimeOffset after) =>
        told < before ? told - before
        : told > after ? told - after
        : TimeSpan.Zero;

    private async Task<IReadOnlyList<RegistryFact>> RegistriesAsync(List<string> references, CancellationToken ct)
    {
        var facts = new List<RegistryFact>();
        var qualified = references
            .Select(r =>
                (Text: r, Registry: ImageReference.TryParse(r, out var parsed, out _) ? parsed.Registry : null)
            )
            .Where(r => r.Registry is not null);
        foreach (var (text, registry) in qualified.DistinctBy(r => r.Registry))
        {
            facts.Add(new RegistryFact(registry!, await host.Engine.WhyNoRegistryAsync(text, ct)));
        }
        return facts;
    }

    private async Task ImagesAsync(CancellationToken ct) =>
        await tools.Hosts.ImagesAsync(term, host.Host.Id, [.. await host.Engine.ImagesAsync(ct)]);

    /// <summary>False where nobody asked for a while.</summary>
    private async Task<bool> AskedAsync(CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(s_imagesEvery, tools.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            return await _asked.Reader.ReadAsync(both.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }

    private static async Task<DateTimeOffset> NowAsync(ConsoleDb db, CancellationToken ct) =>
        await db.Database.SqlQuery<DateTimeOffset>($"select clock_timestamp() as \"Value\"").SingleAsync(ct);
}
