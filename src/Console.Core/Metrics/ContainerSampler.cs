using System.Globalization;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

/// <summary>Turns the counters of one running container into readings: one about every two seconds.</summary>
public sealed class ContainerSampler(
    IContainerEngine engine,
    string containerId,
    long attemptId,
    SeriesWriter writer,
    TimeProvider time,
    ILogger<ContainerSampler> logger
)
{
    /// <summary>The engine samples about every second; a little less than two of them, so that jitter does not make it three.</summary>
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(1.8);
    private static readonly TimeSpan s_leastRemainder = TimeSpan.FromSeconds(0.5);
    private readonly string _owner = attemptId.ToString(CultureInfo.InvariantCulture);

    /// <summary>Returns when the container has ended.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        ContainerUsage? written = null;
        var backoff = TimeSpan.FromSeconds(1);
        while (true)
        {
            var last = written;
            try
            {
                await foreach (var usage in engine.StatsAsync(containerId, ct))
                {
                    last = usage;
                    if (written is null || usage.At - written.At >= s_every)
                    {
                        Write(written, usage);
                        written = usage;
                    }
                }
            }
            catch (EngineException e) when (e.Kind is EngineErrorKind.NotFound or EngineErrorKind.Conflict)
            {
                return;
            }
            catch (Exception e) when (e is EngineUnreachableException or EngineException or IOException)
            {
                Log.SamplerLater(logger, containerId, e.Message);
            }
            if (last is not null && written is not null && last.At - written.At >= s_leastRemainder)
            {
                Write(written, last);
                written = last;
            }
            if (!await IsRunningAsync(ct))
            {
                return;
            }
            await Task.Delay(backoff, time, ct);
            backoff = backoff < TimeSpan.FromSeconds(15) ? backoff * 2 : backoff;
        }
    }

    private void Write(ContainerUsage? before, ContainerUsage usage)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        Add(SeriesNames.Memory, now, usage.MemoryBytes);
        if (before is null)
        {
            return;
        }
        var seconds = (usage.At - before.At).TotalSeconds;
        // A 1,024th of a core, whole bytes: what is rounded to binary fractions packs to half its size
        Add(
            SeriesNames.Cpu,
            now,
            Math.Round(Math.Max(0, usage.CpuSeconds - before.CpuSeconds) / seconds * 1024) / 1024
        );
        AddRate(SeriesNames.NetworkRead, now, before.NetworkReadBytes, usage.NetworkReadBytes, seconds);
        AddRate(SeriesNames.NetworkWrite, now, before.NetworkWriteBytes, usage.NetworkWriteBytes, seconds);
        AddRate(SeriesNames.BlockRead, now, before.BlockReadBytes, usage.BlockReadBytes, seconds);
        AddRate(SeriesNames.BlockWrite, now, before.BlockWriteBytes, usage.BlockWriteBytes, seconds);
    }

    private void AddRate(string name, long now, long before, long after, double seconds) =>
        // A counter falls when an interface goes: no rate can be told then
        Add(name, now, Math.Round(Math.Max(0, after - before) / seconds));

    private void Add(string name, long now, double value) =>
        writer.Add(new SeriesKey(SeriesOwner.Attempt, _owner, name), new SeriesPoint(0, now, value));

    private async Task<bool> IsRunningAsync(CancellationToken ct)
    {
        try
        {
            return (await engine.InspectAsync(containerId, ct))?.State
                is ContainerState.Running
                    or ContainerState.Paused;
        }
        catch (Exception e) when (e is EngineUnreachableException or EngineException)
        {
            return true; // nothing is known: look again later
        }
    }
}
