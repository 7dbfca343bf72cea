using System.Globalization;
using DeepLab.Core;
using DeepLab.Core.Engines;
using DeepLab.Core.Tests.Engines;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// The whole console and its real database on an engine in memory, for what a real engine cannot be made to show, or not
/// a thousand times. It has no GPUs; its probes say so.
/// </summary>
internal sealed class FakeFleet : IEngineFactory
{
    public FakeFleet()
    {
        Engine = new FakeEngine(TimeProvider.System) { OnStart = Start };
        // One that the preflight takes
        Engine.Info = Engine.Info with
        {
            EngineVersion = "29.3.1",
        };
        Engine.Images["deeplab/base:13"] = new ImageInfo(
            "sha256:0",
            "deeplab/base:13",
            1,
            new Dictionary<string, string>()
        );
    }

    public FakeEngine Engine { get; }

    /// <summary>Called when a job's container was started.</summary>
    public Action<FakeContainer>? OnStart { get; set; }

    public Task<ConsoleHarness> ConsoleAsync(CancellationToken ct, TimeSpan? hostGrace = null) =>
        ConsoleHarness.StartAsync(
            ct,
            o =>
                o with
                {
                    // It has no kernel to hold any rules
                    Egress = new EgressOptions { Mode = EgressMode.Off },
                    HostGrace = hostGrace ?? o.HostGrace,
                },
            services: s => s.Replace(ServiceDescriptor.Singleton<IEngineFactory>(this))
        );

    public IContainerEngine Get(string address, string? sealedCredentials = null) => Engine;

    /// <summary>The container of a job of one replica.</summary>
    public FakeContainer Of(long workloadId) =>
        Engine.Containers.Single(c =>
            c.Plan.Labels.GetValueOrDefault(Labels.Workload) == workloadId.ToString(CultureInfo.InvariantCulture)
        );

    private void Start(FakeContainer c)
    {
        switch (c.Plan.Labels.GetValueOrDefault(Labels.Probe))
        {
            case "gpu":
                c.Write("No devices were found");
                break;
            case "host":
                c.Write("host 8 100 1000 1000000 900000 1000000 100000");
                break;
            default:
                OnStart?.Invoke(c);
                break;
        }
    }
}
