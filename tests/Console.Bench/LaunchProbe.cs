using System.Formats.Tar;
using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Bench;

/// <summary>
/// A program that stamps its own first instruction with the machine's monotonic clock, which containers share with this
/// process: where there is a C compiler, a static one in an image of its own; else the shell's `date`, by the wall clock.
/// </summary>
internal sealed class LaunchProbe : IAsyncDisposable
{
    private const string Source = """
        #include <stdio.h>
        #include <time.h>
        int main(void) {
          struct timespec t;
          clock_gettime(CLOCK_MONOTONIC, &t);
          printf("%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
          return 0;
        }
        """;
    private const string Repository = "deeplab/bench-probe";
    private readonly BareEngine _engine;
    private readonly bool _compiled;

    private LaunchProbe(BareEngine engine, bool compiled, JobSpec spec) =>
        (_engine, _compiled, Spec) = (engine, compiled, spec);

    public JobSpec Spec { get; }

    public string Description =>
        _compiled
            ? "the probe is a static program of 10 lines, one layer above " + Jobs.Image + ", stamping CLOCK_MONOTONIC"
            : "no gcc here: the probe is `date +%s%N` in "
                + Jobs.Image
                + ", by the wall clock, a few milliseconds late on both sides";

    /// <summary>Now, in nanoseconds, by the clock that the probe reads.</summary>
    public long Now() =>
        _compiled
            ? System.Diagnostics.Stopwatch.GetTimestamp()
            : (TimeProvider.System.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;

    public static long Stamp(string log) =>
        long.TryParse(log.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var stamp)
            ? stamp
            : throw new BenchException($"the probe's log is no stamp: \"{log}\"");

    public static async Task<LaunchProbe> MakeAsync(BareEngine engine, CancellationToken ct)
    {
        // The stamp is compared with Stopwatch, which on Linux counts nanoseconds of the same clock
        if (!Machine.Has("gcc") || System.Diagnostics.Stopwatch.Frequency != 1_000_000_000)
        {
            return new LaunchProbe(engine, false, Jobs.Of(["date", "+%s%N"]));
        }
        var folder = Directory.CreateTempSubdirectory("deeplab-probe-");
        try
        {
            var source = Path.Combine(folder.FullName, "probe.c");
            var program = Path.Combine(folder.FullName, "probe");
            await File.WriteAllTextAsync(source, Source, ct);
            var (code, output, _) = await Machine.CommandAsync(
                ["gcc", "-static", "-O2", "-o", program, source],
                null,
                ct
            );
            BenchException.Require(code == 0, $"gcc did not make the probe: {output}");
            await PutIntoImageAsync(engine, program, ct);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
        return new LaunchProbe(engine, true, Jobs.Of(["/probe"], image: Repository + ":1"));
    }

    private static async Task PutIntoImageAsync(BareEngine engine, string program, CancellationToken ct)
    {
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, TarEntryFormat.Ustar, leaveOpen: true))
        {
            await using var content = File.OpenRead(program);
            await writer.WriteEntryAsync(
                new UstarTarEntry(TarEntryType.RegularFile, "probe")
                {
                    Mode =
                        UnixFileMode.UserRead
                        | UnixFileMode.UserExecute
                        | UnixFileMode.OtherRead
                        | UnixFileMode.OtherExecute,
                    DataStream = content,
                },
                ct
            );
        }
        tar.Position = 0;
        var id = await engine.Engine.CreateAsync(engine.Plan(Jobs.Shell("true")), ct);
        await engine.Engine.PutArchiveAsync(id, "/", tar, ct);
        await engine.CommitAsync(id, Repository, "1", ct);
        await engine.Engine.RemoveAsync(id, force: true, ct);
    }

    public async ValueTask DisposeAsync()
    {
        if (_compiled)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            await _engine.RemoveImageAsync(Spec.Image, patience.Token);
        }
    }
}
