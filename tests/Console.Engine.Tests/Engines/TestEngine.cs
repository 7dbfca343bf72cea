using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Engine.Tests.Engines;

/// <summary>
/// The engine of these tests, from DEEPLAB_TEST_DOCKER: a simulated GPU host. It may be shared, so each test class has
/// an installation id of its own, and takes away what carries it.
/// </summary>
public sealed class TestEngine : IAsyncLifetime
{
    public const string Image = "deeplab/base:13";
    private int _names;

    public static string Address =>
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_DOCKER") is { Length: > 0 } address
            ? address
            : throw new InvalidOperationException(
                "DEEPLAB_TEST_DOCKER names no engine; ./lab test engine sets one up."
            );

    public string InstallId { get; } = $"t-{Guid.NewGuid():N}"[..14];
    public DockerEngine Engine { get; } = Make(new EnginePolicy());

    public static DockerEngine Make(EnginePolicy policy, string? address = null) =>
        new(new Uri(address ?? Address), () => null, policy, TimeProvider.System, NullLogger<DockerEngine>.Instance);

    public ContainerPlan Plan(string script) => Plan("sh", "-c", script);

    public ContainerPlan Plan(params string[] command) =>
        new()
        {
            Name = $"{InstallId}-{Interlocked.Increment(ref _names)}",
            Image = Image,
            Command = command,
            Env = new Dictionary<string, string> { ["GREETING"] = "hello there" },
            Labels = new Dictionary<string, string> { [Labels.Install] = InstallId },
            Cpus = 1,
            Memory = 256L << 20,
            Shm = 64L << 20,
        };

    public async Task<string> StartAsync(ContainerPlan plan, CancellationToken ct)
    {
        var id = await Engine.CreateAsync(plan, ct);
        await Engine.StartAsync(id, ct);
        return id;
    }

    /// <summary>Waits for the engine's own word that a container ended.</summary>
    public async Task<ContainerReport> EndedAsync(string id, CancellationToken ct)
    {
        while (true)
        {
            var report = await Engine.InspectAsync(id, ct);
            if (report is { State: ContainerState.Exited or ContainerState.Dead })
            {
                return report;
            }
            // A follower of its log returns when it ends: an event to wait for, and no polling
            await foreach (var _ in Engine.LogsAsync(id, new LogQuery(Follow: true, Tail: 0), ct)) { }
        }
    }

    public async Task<List<string>> LinesAsync(string id, CancellationToken ct)
    {
        var lines = new List<string>();
        await foreach (var frame in Engine.LogsAsync(id, new LogQuery(Follow: true), ct))
        {
            lines.Add(System.Text.Encoding.UTF8.GetString(frame.Text.Span));
        }
        return lines;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var left in await Engine.ListAsync(InstallId, CancellationToken.None))
        {
            await Engine.RemoveAsync(left.Id, force: true, CancellationToken.None);
        }
        await Engine.DisposeAsync();
    }
}
