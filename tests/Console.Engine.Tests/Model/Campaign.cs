using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using CsCheck;
using DeepLab.Engine.Tests.Faults;

namespace DeepLab.Engine.Tests.Model;

/// <summary>
/// Sequence after sequence of random commands on labs, until so many steps are done or the time is over. A sequence that
/// breaks a law is made shorter, on labs of its own, and told as commands.
/// </summary>
internal sealed class Campaign(
    Func<CancellationToken, Task<ILab>> start,
    Gen<Command> commands,
    TimeSpan tick,
    TimeSpan patience,
    ITestOutputHelper output
)
{
    private static readonly TimeSpan s_shrinkFor = TimeSpan.FromMinutes(1);
    private bool _isTold;

    /// <param name="length">commands in a sequence</param>
    /// <param name="labs">at work side by side, each on sequences of its own: a lab mostly waits, for answers and for clocks</param>
    /// <param name="budget">no sequence is begun after it</param>
    /// <returns>steps that were done</returns>
    public async Task<int> RunAsync(int steps, int length, int labs, TimeSpan budget, CancellationToken ct)
    {
        var seed = Seed();
        output.WriteLine($"DEEPLAB_TEST_SEED={seed}");
        var began = Stopwatch.GetTimestamp();
        var sequences = 0u;
        var done = 0;
        using var broke = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAll(Enumerable.Range(0, labs).Select(_ => Task.Run(WorkAsync, ct)));
        var took = Stopwatch.GetElapsedTime(began);
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{done} steps in {took.TotalSeconds:0} s on {labs} labs, {done / took.TotalSeconds:0} a second"
            )
        );
        return done;

        async Task WorkAsync()
        {
            await using var lab = await start(ct);
            while (!broke.IsCancellationRequested && Stopwatch.GetElapsedTime(began) < budget)
            {
                var sequence = Interlocked.Increment(ref sequences) - 1;
                if (sequence * (long)length >= steps)
                {
                    return;
                }
                var list = Make(seed, sequence, length);
                if (await TryAsync(lab, list, broke.Token) is not { } broken)
                {
                    Interlocked.Add(ref done, list.Length);
                    continue;
                }
                // One is told, the others leave off
                ct.ThrowIfCancellationRequested();
                if (Interlocked.Exchange(ref _isTold, true) is false)
                {
                    await broke.CancelAsync();
                    await FailAsync(seed, sequence, list, broken, lab, ct);
                }
            }
        }
    }

    private static ulong Seed() =>
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_SEED") is { Length: > 0 } given
            ? ulong.Parse(given, CultureInfo.InvariantCulture)
            : (ulong)Random.Shared.NextInt64();

    private Command[] Make(ulong seed, uint sequence, int length) =>
        commands.Array[length].Generate(new PCG(sequence, seed), null, out _);

    private sealed record Broken(int Step, string Message)
    {
        /// <summary>The same law, broken in the same words, whichever jobs and numbers they are about.</summary>
        public bool IsLike(Broken other) => Kind == other.Kind;

        private string Kind =>
            string.Concat(Message.TakeWhile(c => c is not ('\n' or '(')).Where(c => !char.IsDigit(c)));
    }

    private async Task<Broken?> TryAsync(ILab lab, IReadOnlyList<Command> list, CancellationToken ct)
    {
        var at = 0;
        try
        {
            await new Walk(lab, tick, patience).RunAsync(list, s => at = s, ct);
            return null;
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            // Another lab broke, and this one was left where it was
            return new Broken(at, "left off");
        }
        catch (Exception e)
        {
            return new Broken(at, e is BrokenLawException ? e.Message : e.ToString());
        }
    }

    private async Task FailAsync(
        ulong seed,
        uint sequence,
        Command[] list,
        Broken broken,
        ILab lab,
        CancellationToken ct
    )
    {
        output.WriteLine($"Sequence {sequence} broke at step {broken.Step}: {broken.Message}");
        output.WriteLine(lab.Log);
        foreach (var line in await HistoriesAsync(lab, broken.Message, ct))
        {
            output.WriteLine(line);
        }
        var shrunk = await ShrinkAsync(list[..Math.Min(list.Length, broken.Step + 1)], broken, ct);
        Assert.Fail(
            $"""
            {shrunk.Broken.Message}

            after these {shrunk.Commands.Count} commands (DEEPLAB_TEST_SEED={seed}, sequence {sequence}):
            {string.Join(Environment.NewLine, shrunk.Commands)}
            """
        );
    }

    /// <summary>What the console tells of the jobs and attempts that are spoken of.</summary>
    private static Task<List<string>> HistoriesAsync(ILab lab, string message, CancellationToken ct)
    {
        long[] Named(string what) =>
            [
                .. Regex
                    .Matches(message, $@"\b{what} (\d+)")
                    .Select(m => long.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture)),
            ];
        return Invariants.ColumnAsync(
            lab.Sql,
            """
            select concat_ws(' ', 'job', e.workload_id, to_char(e.at, 'MI:SS.MS'), e.kind, e.replica, e.attempt, e.reason, e.message)
            from workload_events e
            where e.workload_id = any($1) or e.workload_id in (select workload_id from attempts where id = any($2))
            order by e.workload_id, e.seq
            """,
            ct,
            Named("job"),
            Named("attempt")
        );
    }

    /// <summary>Takes parts away, large ones first, for as long as what is left breaks the same law.</summary>
    private async Task<(IReadOnlyList<Command> Commands, Broken Broken)> ShrinkAsync(
        IReadOnlyList<Command> list,
        Broken broken,
        CancellationToken ct
    )
    {
        var began = Stopwatch.GetTimestamp();
        for (var size = list.Count / 2; size > 0; size = Math.Min(size / 2, list.Count / 2))
        {
            for (var from = 0; from < list.Count && Stopwatch.GetElapsedTime(began) < s_shrinkFor; )
            {
                Command[] less = [.. list.Take(from), .. list.Skip(from + size)];
                await using var lab = await start(ct);
                if (await TryAsync(lab, less, ct) is { } still && still.IsLike(broken))
                {
                    (list, broken) = (less[..Math.Min(less.Length, still.Step + 1)], still);
                }
                else
                {
                    from += size;
                }
            }
        }
        return (list, broken);
    }
}
