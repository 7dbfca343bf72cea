using System.Globalization;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Streams;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Checkpoints;

[CollectionDefinition(CheckpointConsole.Collection)]
public sealed class CheckpointCollection : ICollectionFixture<CheckpointConsole>;

/// <summary>One console for the tests of checkpoints, and what they ask it.</summary>
public sealed class CheckpointConsole : IAsyncLifetime
{
    public const string Collection = "checkpoints";

    /// <summary>Shell: `seal FILE` writes one that ends as a zip does, in one move.</summary>
    public const string Seal =
        "seal() { { printf 'PK\\003\\004 weights PK\\005\\006'; head -c 18 /dev/zero; } > .new; mv .new $1; }";
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public ConsoleHarness Console { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Console = await ConsoleHarness.StartAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => Console.DisposeAsync();

    /// <summary>The sample that learns digits, on a real PyTorch: 44 steps an epoch.</summary>
    public static JobSpec Digits(int epochs, int everySteps, int maxRestarts, int? keep = null) =>
        Specs.Shell("", cpus: 1, image: "deeplab/pytorch-cpu:2.6", maxRestarts: maxRestarts) with
        {
            Name = "digits",
            Script = File.ReadAllText(
                Path.Combine(
                    Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB")!,
                    "../../../samples/digits/train.py"
                )
            ),
            Checkpoint = new CheckpointSpec { EverySteps = everySteps, Keep = keep },
            Roles =
            [
                new RoleSpec
                {
                    Name = "worker",
                    Command =
                    [
                        "python3",
                        "/workspace/script.py",
                        "--keep",
                        "4",
                        "--epochs",
                        epochs.ToString(CultureInfo.InvariantCulture),
                    ],
                    Resources = new ResourcesSpec { Cpus = 1, Memory = 1L << 30 },
                },
            ],
        };

    /// <summary>Waits until a line of an attempt holds a text, and answers the line.</summary>
    public static async Task<string> LineAsync(ConsoleHarness console, long attemptId, string text)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(Patience);
        var reader = console.Services.GetRequiredService<LogReader>();
        await foreach (var lines in reader.FollowAsync(attemptId, 0, patience.Token))
        {
            var texts = lines.Select(l => l.Text);
            if (texts.FirstOrDefault(t => t.Contains(text, StringComparison.Ordinal)) is { } line)
            {
                return line;
            }
        }
        throw new InvalidOperationException($"attempt {attemptId} never wrote \"{text}\"");
    }

    public static async Task<Attempt> RunningAsync(ConsoleHarness console, long id, int number)
    {
        await console.UntilAsync(
            db =>
                db.Attempts.AnyAsync(
                    a => a.WorkloadId == id && a.Number == number && a.State == AttemptState.Running,
                    Ct
                ),
            Patience,
            Ct
        );
        await using var db = await console.DbAsync(Ct);
        return await db.Attempts.AsNoTracking().FirstAsync(a => a.WorkloadId == id && a.Number == number, Ct);
    }

    /// <summary>Runs a shell command in the container of an attempt.</summary>
    public static async Task ExecAsync(ConsoleHarness console, Attempt attempt, string command)
    {
        await using var db = await console.DbAsync(Ct);
        var host = await db.Hosts.AsNoTracking().SingleAsync(h => h.Id == attempt.HostId, Ct);
        var engine = console.Services.GetRequiredService<IEngineFactory>().Get(host.Address, host.SealedCredentials);
        await engine.ExecAsync(attempt.ContainerId!, ["sh", "-c", command], _ => ValueTask.CompletedTask, Ct);
    }

    /// <summary>SIGKILL for the training program itself, as the kernel or an operator may send it.</summary>
    public static Task KillAsync(ConsoleHarness console, Attempt attempt, string program = "script.py") =>
        ExecAsync(
            console,
            attempt,
            // The shell that looks names it too, in other letters
            $"for p in /proc/[0-9]*; do grep -q '[{program[0]}]{program[1..]}' $p/cmdline && [ ${{p#/proc/}} != 1 ] && kill -9 ${{p#/proc/}}; done; true"
        );

    /// <summary>Steps of a curve that an attempt of the first replica wrote, once it was read to its end.</summary>
    public static async Task<IReadOnlyList<long>> StepsAsync(ConsoleHarness console, long id, int number)
    {
        await console.UntilAsync(
            db =>
                db.Attempts.AnyAsync(
                    a => a.WorkloadId == id && a.ReplicaName == "worker-0" && a.Number == number && a.LogArchived,
                    Ct
                ),
            Patience,
            Ct
        );
        var reader = console.Services.GetRequiredService<SeriesReader>();
        var series = await reader.ListAsync(SeriesOwner.Job, id.ToString(CultureInfo.InvariantCulture), Ct);
        return
            series.FirstOrDefault(s => s.Key.Name == "train/loss" && s.Key.Source == $"worker-0/{number}") is { } loss
            ? [.. (await reader.TailAsync(loss.Id, 0, -1, 100_000, Ct)).Select(p => p.Step)]
            : [];
    }

    public static async Task<IReadOnlyList<string>> EventsAsync(ConsoleHarness console, long id, string kind)
    {
        await using var db = await console.DbAsync(Ct);
        return await db
            .Events.Where(e => e.WorkloadId == id && e.Kind == kind)
            .OrderBy(e => e.Seq)
            .Select(e => e.Message)
            .ToListAsync(Ct);
    }
}
