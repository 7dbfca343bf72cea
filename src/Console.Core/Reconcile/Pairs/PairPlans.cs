using System.Globalization;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Reconcile.Pairs;

/// <summary>
/// The console's own container on a job's network, one on each host that is measured: it carries neither the job's program nor
/// its image, so that any image can be measured with and none can lie. Pure.
/// </summary>
public static class PairPlans
{
    public const string Kind = "pair";
    private const long LogBytes = 64 << 10;

    public static string NameOf(string installId, long workloadId, int round) =>
        string.Create(CultureInfo.InvariantCulture, $"dl-pair-{installId[..8]}-{workloadId}-{round}");

    /// <param name="alias">name by which those on the other hosts find it</param>
    /// <param name="token">32 characters; whoever connects has to say it first</param>
    public static ContainerPlan Make(
        string installId,
        string image,
        long workloadId,
        int round,
        string network,
        string alias,
        string token
    ) =>
        new()
        {
            Name = NameOf(installId, workloadId, round),
            Image = image,
            Command = PairProgram.Server,
            Env = new Dictionary<string, string> { [PairProgram.Token] = token },
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [Labels.Install] = installId,
                [Labels.Probe] = Kind,
            },
            Cpus = 1,
            Memory = 64 << 20,
            Shm = 1 << 20,
            Network = network,
            NetworkAlias = alias,
            StopGrace = TimeSpan.FromSeconds(1),
            LogMaxSize = LogBytes,
        };
}
