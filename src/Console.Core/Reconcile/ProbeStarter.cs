using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Reconcile;

/// <summary>Runs the probes of a host for the length of a session with its engine.</summary>
public sealed class ProbeStarter(
    ConsoleOptions options,
    SeriesWriter writer,
    LatestReadings latest,
    TimeProvider time,
    ILogger<ProbeRunner> logger
)
{
    /// <summary>The probe that ends only with its engine: found dead, it tells when the engine stopped.</summary>
    public string WitnessOf(string installId) => ProbePlans.HostName(installId);

    /// <summary>Takes away what ran on a host that was taken out; what does not answer keeps it, and it does no harm.</summary>
    internal static async Task RemoveAsync(IContainerEngine engine, string installId, CancellationToken ct)
    {
        try
        {
            await engine.RemoveAsync(ProbePlans.GpuName(installId), force: true, ct);
            await engine.RemoveAsync(ProbePlans.HostName(installId), force: true, ct);
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            // Said above
        }
    }

    internal Task RunAsync(
        HostWorker host,
        ProbeSight sight,
        DriverTools tools,
        LeaderTerm term,
        CancellationToken ct
    ) =>
        new ProbeRunner(
            host.Engine,
            host.Host.Id,
            tools.InstallId,
            options.ProbeImage,
            writer,
            latest,
            (rows, _) => tools.Hosts.InventoryAsync(term, host.Host.Id, rows),
            time,
            logger,
            sight
        ).RunAsync(ct);
}
