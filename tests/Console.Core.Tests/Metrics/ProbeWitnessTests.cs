using DeepLab.Core.Engines;
using DeepLab.Core.Metrics;
using DeepLab.Core.Tests.Engines;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Metrics;

/// <summary>The host's probe tells by its end when the engine stopped its containers: nobody takes it away before that is kept.</summary>
public sealed class ProbeWitnessTests
{
    private const string Install = "89e22f00-0000-0000-0000-000000000000";
    private const string Image = "probe:1";
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private readonly FakeEngine _engine = new(TimeProvider.System);
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ProbeWitnessTests()
    {
        _engine.Images[Image] = new ImageInfo("sha256:0", Image, 1, new Dictionary<string, string>());
        _engine.OnStart = c =>
        {
            if (c.Plan.Name == ProbePlans.HostName(Install))
            {
                _started.TrySetResult();
            }
        };
    }

    [Fact]
    public async Task One_that_is_dead_at_the_first_look_stays_as_it_is_and_is_told()
    {
        using var session = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var first = NewRunner().RunAsync(session.Token);
        await _started.Task.WaitAsync(Ct);
        await session.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        _engine.End(ProbePlans.HostName(Install), 137);

        await Assert.ThrowsAsync<ProbeDiedException>(() => NewRunner().RunAsync(Ct).WaitAsync(Ct));

        var witness = await _engine.InspectAsync(ProbePlans.HostName(Install), Ct);
        Assert.Equal((ContainerState.Exited, 137), (witness!.State, witness.ExitCode));
    }

    [Fact]
    public async Task One_that_was_never_there_is_made()
    {
        using var session = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var run = NewRunner().RunAsync(session.Token);
        await _started.Task.WaitAsync(Ct);
        Assert.False(run.IsCompleted);
        await session.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }

    private ProbeRunner NewRunner() =>
        new(
            _engine,
            Guid.Empty,
            Install,
            Image,
            new SeriesWriter(new MemorySeriesStore(), TimeProvider.System, NullLogger<SeriesWriter>.Instance),
            new LatestReadings(),
            (_, _) => Task.CompletedTask,
            TimeProvider.System,
            NullLogger<ProbeRunner>.Instance
        );
}
