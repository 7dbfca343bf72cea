using DeepLab.Core.Engines;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Engine.Tests.Engines;

/// <summary>What the engine made of a plan, field by field: nothing more, nothing else.</summary>
public sealed class HostConfigTests(TestEngine host) : IClassFixture<TestEngine>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task The_engine_holds_what_the_plan_says_and_no_more(int gpus)
    {
        var uuids = (await GpusAsync()).Take(gpus).ToArray();
        var plan = host.Plan("true") with
        {
            Cpus = 0.5,
            GpuUuids = uuids,
            Hostname = "worker-0",
            WorkingDirectory = "/workspace",
            Env = new Dictionary<string, string> { ["A"] = "b=c", ["NVIDIA_VISIBLE_DEVICES"] = "all" },
        };
        var policy = new EnginePolicy();
        var sent = HostConfigs.Build(plan, policy);
        var id = await host.Engine.CreateAsync(plan, Ct);
        using var client = new DockerClientBuilder().WithEndpoint(new Uri(TestEngine.Address)).Build();
        var made = await client.Containers.InspectContainerAsync(id, Ct);
        var config = made.HostConfig!;

        Assert.Equal(sent.User, made.Config!.User);
        Assert.Equal("1000:1000", made.Config.User);
        Assert.Equal(plan.Command, made.Config.Cmd);
        Assert.Equal(plan.Image, made.Config.Image);
        Assert.Equal("/workspace", made.Config.WorkingDir);
        Assert.Equal("worker-0", made.Config.Hostname);
        Assert.Equal(host.InstallId, made.Config.Labels![Labels.Install]);
        Assert.False(made.Config.Tty);
        Assert.False(made.Config.OpenStdin);
        Assert.Contains("A=b=c", made.Config.Env!);
        Assert.Equal(gpus == 0 ? 1 : 0, made.Config.Env!.Count(e => e == "NVIDIA_VISIBLE_DEVICES=void"));
        Assert.DoesNotContain("NVIDIA_VISIBLE_DEVICES=all", made.Config.Env!);
        Assert.Contains("CUDA_DEVICE_ORDER=PCI_BUS_ID", made.Config.Env!);

        Assert.Equal(plan.Memory, config.Memory);
        Assert.Equal(plan.Memory, config.MemorySwap);
        Assert.Equal(500_000_000, config.NanoCPUs);
        Assert.Equal(plan.Shm, config.ShmSize);
        Assert.Equal(4096, config.PidsLimit);
        Assert.True(config.Init);
        Assert.False(config.Privileged);
        Assert.Equal(["ALL"], config.CapDrop);
        Assert.Equal(["no-new-privileges"], config.SecurityOpt);
        Assert.Equal("private", config.IpcMode);
        Assert.Equal("default", config.NetworkMode);
        Assert.Equal("json-file", config.LogConfig!.Type);
        Assert.Equal(
            new Dictionary<string, string> { ["max-size"] = "268435456", ["max-file"] = "4" },
            config.LogConfig.Config
        );
        Assert.Equal(RestartPolicyKind.No, config.RestartPolicy!.Name);
        Assert.False(config.AutoRemove);
        Assert.False(config.PublishAllPorts);
        Assert.Empty(made.Mounts ?? []);
        foreach (
            var none in new object?[]
            {
                config.Binds,
                config.Mounts,
                config.CapAdd,
                config.Devices,
                config.DeviceCgroupRules,
                config.GroupAdd,
                config.PortBindings,
                config.VolumesFrom,
                config.Links,
                config.ExtraHosts,
                config.Sysctls,
                config.Tmpfs,
                config.Ulimits,
                config.StorageOpt,
                config.DNS,
            }
        )
        {
            Assert.Empty((System.Collections.IEnumerable?)none ?? Array.Empty<object>());
        }
        Assert.Equal("runc", config.Runtime);
        Assert.True(config.PidMode is null or "");
        Assert.True(config.UsernsMode is null or "");
        Assert.True(config.UTSMode is null or "");
        Assert.True(config.CgroupParent is null or "");

        if (gpus == 0)
        {
            Assert.Empty(config.DeviceRequests ?? []);
        }
        else
        {
            var request = Assert.Single(config.DeviceRequests!);
            Assert.Equal("nvidia", request.Driver);
            Assert.Equal(uuids, request.DeviceIDs);
            Assert.Equal(0, request.Count);
            Assert.Equal(["gpu", "utility", "compute"], Assert.Single(request.Capabilities!));
        }
        Assert.Equal(uuids, (await host.Engine.InspectAsync(id, Ct))!.GpuUuids);
    }

    [Fact]
    public async Task Two_leased_gpus_are_the_two_that_a_program_sees()
    {
        var leased = (await GpusAsync()).Skip(1).Take(2).ToArray();
        Assert.Equal(2, leased.Length);
        var id = await host.StartAsync(host.Plan("nvidia-smi", "-L") with { GpuUuids = leased }, Ct);
        Assert.Equal(0, (await host.EndedAsync(id, Ct)).ExitCode);
        var lines = await host.LinesAsync(id, Ct);
        Assert.Equal(2, lines.Count);
        Assert.StartsWith("GPU 0:", lines[0]);
        Assert.Contains(leased[0], lines[0]);
        Assert.StartsWith("GPU 1:", lines[1]);
        Assert.Contains(leased[1], lines[1]);
    }

    [Fact]
    public async Task Without_a_lease_a_program_sees_no_gpu()
    {
        var id = await host.StartAsync(
            host.Plan(
                """echo "$NVIDIA_VISIBLE_DEVICES"; nvidia-smi -L 2>/dev/null | wc -l; ls /dev | grep -c nvidia"""
            ),
            Ct
        );
        await host.EndedAsync(id, Ct);
        Assert.Equal(["void", "0", "0"], await host.LinesAsync(id, Ct));
    }

    private async Task<IReadOnlyList<string>> GpusAsync()
    {
        var id = await host.StartAsync(
            host.Plan("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader") with
            {
                AllGpus = true,
            },
            Ct
        );
        await host.EndedAsync(id, Ct);
        var uuids = await host.LinesAsync(id, Ct);
        Assert.Equal(4, uuids.Count);
        return uuids;
    }
}
