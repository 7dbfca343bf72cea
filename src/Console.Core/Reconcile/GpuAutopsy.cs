using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Whether a program that held GPUs failed because one of them did. Its GPUs are looked at again before its end is recorded,
/// so that a sick one is neither blamed on the program nor leased to the next.
/// </summary>
internal static class GpuAutopsy
{
    /// <summary>The probe looks every two seconds.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(6);
    private const int LastLines = 100;

    /// <summary>What programs print when the host took the devices from their container, as systemd's daemon-reload does.</summary>
    private const string DevicesTaken = "Failed to initialize NVML: Unknown Error";

    private static readonly string[] s_signs =
    [
        DevicesTaken,
        // CUDA's and the driver's own words
        "uncorrectable ECC error encountered",
        "GPU has fallen off the bus",
        "GPU is lost",
    ];

    /// <summary>A sentence; null where nothing speaks against its GPUs, or where its end needs no other cause.</summary>
    public static async Task<string?> WhyAsync(
        HostWorker host,
        DriverTools tools,
        AttemptRead read,
        ContainerReport seen,
        CancellationToken ct
    )
    {
        if (
            read.Gpus.Count == 0
            || read.StopWanted
            || seen is not { StartedAt: not null, ExitCode: not 0, OomKilled: false }
        )
        {
            return null;
        }
        if (await LastSignAsync(host.Engine, seen.Id, ct) is { } sign)
        {
            if (sign.Contains(DevicesTaken, StringComparison.Ordinal))
            {
                host.NoteDevicesTaken(seen.Name);
            }
            return $"its log says \"{sign}\"";
        }
        await host.GpusLookedAtAsync(s_patience, ct);
        return await tools.Hosts.WhatIsSickAsync(read.Gpus, ct);
    }

    private static async Task<string?> LastSignAsync(IContainerEngine engine, string container, CancellationToken ct)
    {
        string? found = null;
        await foreach (var frame in engine.LogsAsync(container, new LogQuery(Follow: false, Tail: LastLines), ct))
        {
            var text = Encoding.UTF8.GetString(frame.Text.Span).Trim();
            if (s_signs.Any(s => text.Contains(s, StringComparison.OrdinalIgnoreCase)))
            {
                found = text.Length > 200 ? text[..200] : text;
            }
        }
        return found;
    }
}
