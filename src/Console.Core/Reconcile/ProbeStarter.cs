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

    internal Task RunAsync(HostWorker host, DriverTools tools, LeaderTerm term, CancellationToken ct) =>
        new ProbeRunner(
            host.Engine,
            host.Host.Id,
            tools.InstallId,
            options.ProbeImage,
            writer,
            latest,
            (rows, _) => tools.Hosts.InventoryAsync(term, host.Host.Id, rows),
            time,
            logger
        ).RunAsync(ct);
}
