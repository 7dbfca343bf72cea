using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Runs the two probes of one host: keeps their containers going, follows their lines, writes series and newest readings,
/// and tells which GPUs there are whenever that changes. Survives the end of a probe and of its engine.
/// </summary>
/// <param name="onInventory">is told all devices of the host; none where it has no GPUs or their driver is broken</param>
public sealed class ProbeRunner(
    IContainerEngine engine,
    Guid hostId,
    string installId,
    string image,
    SeriesWriter writer,
    LatestReadings latest,
    Func<IReadOnlyList<GpuInventoryRow>, CancellationToken, Task> onInventory,
    TimeProvider time,
    ILogger<ProbeRunner> logger,
    ProbeSight? sight = null
)
{
    private static readonly TimeSpan s_noGpuRetry = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(60);

    /// <summary>The probes write every two seconds.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(15);

    /// <summary>A round's lines come together; this long after the last one the round is over.</summary>
    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(700);

    private readonly GpuRounds _rounds = new();
    private HostLine? _before;

    /// <summary>Returns only by its token, which it throws.</summary>
    /// <exception cref="ProbeDiedException">
    /// The host's probe was found dead at the first look: it is the witness of when the engine stopped, and whoever restarts it
    /// keeps that first.
    /// </exception>
    public async Task RunAsync(CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var gpus = KeepAsync(ProbePlans.Gpu(installId, image), FollowGpusAsync, isWitness: false, either.Token);
        var host = KeepAsync(ProbePlans.Host(installId, image), FollowHostAsync, isWitness: true, either.Token);
        var first = await Task.WhenAny(gpus, host);
        await either.CancelAsync();
        await Task.WhenAll(gpus, host).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
    }

    private async Task KeepAsync(
        ContainerPlan plan,
        Func<RunningProbe, CancellationToken, Task<bool>> follow,
        bool isWitness,
        CancellationToken ct
    )
    {
        var container = new ProbeContainer(engine, plan);
        var restarts = !isWitness;
        var failures = 0;
        while (true)
        {
            TimeSpan pause;
            try
            {
                var probe = await container.EnsureAsync(ct, restarts);
                restarts = true;
                var heard = await follow(probe, ct);
                failures = heard ? 0 : failures + 1;
                if (!heard)
                {
                    // It runs and says nothing, or a follower cannot read it: a new one
                    Silent(plan);
                    await container.RemoveAsync(probe.Id, ct);
                }
                pause = Backoff(failures);
            }
            catch (EngineException e) when (plan.AllGpus && SaysNoGpus(e))
            {
                sight?.GpuRoundBegins();
                await TellAsync(_rounds.None(), ct);
                sight?.GpuRoundEnds();
                sight?.SetGpus([], e.Message);
                Log.NoGpus(logger, plan.Name, e.Message);
                pause = s_noGpuRetry;
            }
            catch (Exception e) when (e is EngineException or EngineUnreachableException or IOException)
            {
                Log.ProbeLater(logger, plan.Name, e.Message);
                if (e is EngineException)
                {
                    Trouble(plan, e.Message);
                }
                pause = Backoff(++failures);
            }
            await Task.Delay(pause, time, ct);
        }
    }

    /// <summary>What it complained of stands, if it did.</summary>
    private void Silent(ContainerPlan plan)
    {
        if (!plan.AllGpus || sight?.View.GpuTrouble is null)
        {
            Trouble(plan, "its probe runs and says nothing");
        }
    }

    private void Trouble(ContainerPlan plan, string message)
    {
        if (plan.AllGpus)
        {
            sight?.SetGpus(null, message);
        }
        else
        {
            sight?.SetHost(null, message);
        }
    }

    /// <summary>The engine has no such runtime, the driver has no tool, or the runtime's hook failed.</summary>
    private static bool SaysNoGpus(EngineException e) =>
        e.Kind
            is EngineErrorKind.NoSuchDevice
                or EngineErrorKind.CommandNotFound
                or EngineErrorKind.CommandNotExecutable
        || e.Message.Contains("nvidia", StringComparison.OrdinalIgnoreCase)
            && e.Kind is not (EngineErrorKind.ImageNotFound or EngineErrorKind.NameTaken or EngineErrorKind.Conflict);

    /// <summary>The tool is there and finds none, or the runtime brought no tool.</summary>
    private static bool SaysNoGpus(string complaint) =>
        complaint.StartsWith("No devices were found", StringComparison.OrdinalIgnoreCase)
        || complaint.Contains("nvidia-smi: not found", StringComparison.Ordinal);

    private async Task<bool> FollowGpusAsync(RunningProbe probe, CancellationToken ct)
    {
        var heard = false;
        var processes = new List<GpuProcess>();
        sight?.SetProcesses([]);
        _rounds.Begin(fromMiddle: !probe.IsFresh);
        await foreach (var text in ProbeLines.FollowAsync(engine, probe, s_quiet, s_silence, time, ct))
        {
            if (text is null)
            {
                await EndRoundAsync(ct);
                continue;
            }
            if (GpuApps.IsOurs(text))
            {
                processes.AddRange(GpuApps.Parse(text) is { } process ? [process] : []);
                if (GpuApps.EndsRound(text))
                {
                    sight?.SetProcesses([.. processes]);
                    processes.Clear();
                }
                continue;
            }
            if (GpuProbe.Parse(text) is not { } line)
            {
                continue;
            }
            if (line.Row is not { } row)
            {
                Log.ProbeComplains(logger, ProbePlans.GpuName(installId), line.Complaint!);
                if (SaysNoGpus(line.Complaint!))
                {
                    sight?.GpuRoundBegins();
                    await TellAsync(_rounds.None(), ct);
                    sight?.GpuRoundEnds();
                    sight?.SetGpus([], line.Complaint);
                }
                continue;
            }
            heard = true;
            if (_rounds.Begins(row.Uuid))
            {
                await EndRoundAsync(ct);
            }
            if (_rounds.IsEmpty)
            {
                sight?.GpuRoundBegins();
            }
            _rounds.Add(row);
            Write(line, row);
        }
        await EndRoundAsync(ct);
        return heard;
    }

    private async Task EndRoundAsync(CancellationToken ct)
    {
        await TellAsync(_rounds.End(), ct);
        sight?.GpuRoundEnds();
    }

    private async Task<bool> FollowHostAsync(RunningProbe probe, CancellationToken ct)
    {
        var heard = false;
        await foreach (var text in ProbeLines.FollowAsync(engine, probe, s_quiet, s_silence, time, ct))
        {
            if (text is null || HostProbe.Parse(text) is not { } line)
            {
                continue;
            }
            heard = true;
            sight?.SetHost(line, null);
            var now = time.GetUtcNow();
            if (_before is not null && HostProbe.Between(_before, line, hostId, now) is { } reading)
            {
                latest.Set(reading);
                Add(
                    SeriesOwner.Host,
                    hostId.ToString(),
                    SeriesNames.Cpu,
                    now,
                    Math.Round(reading.CpuCores * 1024) / 1024
                );
                Add(SeriesOwner.Host, hostId.ToString(), SeriesNames.Memory, now, reading.MemoryUsedBytes);
                Add(SeriesOwner.Host, hostId.ToString(), SeriesNames.Disk, now, reading.DiskUsedBytes);
            }
            _before = line;
        }
        return heard;
    }

    /// <summary>A series gets no point where the driver does not say; the newest reading has 0 there.</summary>
    private void Write(GpuLine line, GpuInventoryRow row)
    {
        var now = time.GetUtcNow();
        latest.Set(
            new GpuReading(
                row.Uuid,
                now,
                line.Utilisation ?? 0,
                line.MemoryUsed ?? 0,
                line.Temperature ?? 0,
                line.Power ?? 0
            )
        );
        Add(SeriesOwner.Gpu, row.Uuid, SeriesNames.GpuUtilisation, now, line.Utilisation);
        Add(SeriesOwner.Gpu, row.Uuid, SeriesNames.GpuMemory, now, line.MemoryUsed);
        Add(SeriesOwner.Gpu, row.Uuid, SeriesNames.GpuTemperature, now, line.Temperature);
        Add(SeriesOwner.Gpu, row.Uuid, SeriesNames.GpuPower, now, line.Power);
    }

    private void Add(SeriesOwner owner, string id, string name, DateTimeOffset at, double? value)
    {
        if (value is { } v)
        {
            writer.Add(new SeriesKey(owner, id, name), new SeriesPoint(0, at.ToUnixTimeMilliseconds(), v));
        }
    }

    private async Task TellAsync(IReadOnlyList<GpuInventoryRow>? rows, CancellationToken ct)
    {
        if (rows is null)
        {
            return;
        }
        var isTold = false;
        try
        {
            await onInventory(rows, ct);
            isTold = true;
            if (rows.Count > 0)
            {
                sight?.SetGpus(rows, null);
            }
        }
        finally
        {
            if (!isTold)
            {
                _rounds.Forget();
            }
        }
    }

    private static TimeSpan Backoff(int failures)
    {
        var ceiling = Math.Min(s_longestBackoff.TotalMilliseconds, 500 * Math.Pow(2, Math.Min(failures, 10)));
        return TimeSpan.FromMilliseconds(ceiling * (0.5 + Jitter()));
    }

    private static double Jitter() => System.Security.Cryptography.RandomNumberGenerator.GetInt32(1000) / 2000.0;
}
