using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Metrics;

/// <summary>The two probe containers of a host. Pure.</summary>
public static class ProbePlans
{
    public const string GpuKind = "gpu";
    public const string HostKind = "host";

    /// <summary>Some hours of lines; nobody reads them twice.</summary>
    private const long LogBytes = 1 << 20;

    public static string GpuName(string installId) => $"dl-probe-gpu-{Short(installId)}";

    /// <summary>The host probe ends only with its engine; the other one may also end with its driver.</summary>
    public static string HostName(string installId) => $"dl-probe-host-{Short(installId)}";

    public static ContainerPlan Gpu(string installId, string image) =>
        Make(GpuName(installId), GpuKind, installId, image, GpuProbe.Command, allGpus: true);

    public static ContainerPlan Host(string installId, string image) =>
        Make(HostName(installId), HostKind, installId, image, HostProbe.Command, allGpus: false);

    private static ContainerPlan Make(
        string name,
        string kind,
        string installId,
        string image,
        IReadOnlyList<string> command,
        bool allGpus
    )
    {
        var plan = new ContainerPlan
        {
            Name = name,
            Image = image,
            Command = command,
            Env = new Dictionary<string, string>(),
            Labels = new Dictionary<string, string>(),
            Cpus = 0.5,
            Memory = 64 << 20,
            Shm = 1 << 20,
            AllGpus = allGpus,
            // The driver tells a process only to whoever sees it
            HostPids = allGpus,
            Hostname = name,
            StopGrace = TimeSpan.FromSeconds(1),
            LogMaxSize = LogBytes,
        };
        return plan with
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [Labels.Install] = installId,
                [Labels.Probe] = kind,
                [Labels.SpecHash] = Hash(plan),
            },
        };
    }

    private static string Hash(ContainerPlan plan) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(plan))));

    private static string Short(string installId) => installId[..Math.Min(8, installId.Length)];
}
