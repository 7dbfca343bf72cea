using System.Diagnostics;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Engine.Tests.Engines;

public sealed class DockerEngineTests(TestEngine host) : IClassFixture<TestEngine>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Info_names_the_engine_and_the_negotiated_version()
    {
        var info = await host.Engine.InfoAsync(Ct);
        Assert.NotEmpty(info.EngineId);
        Assert.NotEmpty(info.EngineVersion);
        Assert.True(info.Cpus >= 1);
        Assert.True(info.MemoryBytes > 1 << 28);
        Assert.True(Version.Parse(info.ApiVersion) >= new Version(1, 41));
        Assert.NotNull(info.SystemTime);
    }

    [Fact]
    public async Task Finds_an_image_and_answers_null_for_a_missing_one()
    {
        Assert.StartsWith("sha256:", (await host.Engine.FindImageAsync(TestEngine.Image, Ct))!.Id);
        Assert.Null(await host.Engine.FindImageAsync("deeplab/no-such-image:1", Ct));
    }

    [Fact]
    public async Task A_job_runs_to_its_exit_code_and_leaves_its_log()
    {
        var id = await host.StartAsync(host.Plan("""echo "$GREETING"; id -u; exit 7"""), Ct);
        var end = await host.EndedAsync(id, Ct);
        Assert.Equal(7, end.ExitCode);
        Assert.NotNull(end.StartedAt);
        Assert.NotNull(end.FinishedAt);
        Assert.False(end.OomKilled);
        Assert.Equal(["hello there", "1000"], await host.LinesAsync(id, Ct));
        await host.Engine.RemoveAsync(id, force: false, Ct);
        Assert.Null(await host.Engine.InspectAsync(id, Ct));
        await host.Engine.RemoveAsync(id, force: false, Ct);
    }

    [Fact]
    public async Task Starting_what_runs_is_fine()
    {
        var id = await host.StartAsync(host.Plan("sleep", "60"), Ct);
        await host.Engine.StartAsync(id, Ct);
        var report = await host.Engine.InspectAsync(id, Ct);
        Assert.Equal(ContainerState.Running, report!.State);
        Assert.True(report.Pid > 0);
        Assert.Null(report.FinishedAt);
        await host.Engine.RemoveAsync(id, force: true, Ct);
    }

    [Theory]
    [InlineData("trap 'echo told; exit 3' TERM; echo up; while :; do sleep 0.1; done", 3)]
    [InlineData("trap '' TERM; echo up; while :; do sleep 0.1; done", 137)]
    public async Task Stop_asks_and_then_kills(string script, int exitCode)
    {
        var id = await host.StartAsync(host.Plan(script), Ct);
        await foreach (var _ in host.Engine.LogsAsync(id, new LogQuery(Follow: true), Ct))
        {
            break;
        }
        await host.Engine.StopAsync(id, TimeSpan.FromSeconds(1), Ct);
        Assert.Equal(exitCode, (await host.Engine.InspectAsync(id, Ct))!.ExitCode);
    }

    [Fact]
    public async Task Stopping_what_is_gone_is_not_found()
    {
        var e = await Assert.ThrowsAsync<EngineException>(() =>
            host.Engine.StopAsync("no-such-container", TimeSpan.FromSeconds(1), Ct)
        );
        Assert.Equal(EngineErrorKind.NotFound, e.Kind);
    }

    [Fact]
    public async Task Lists_only_containers_of_its_installation()
    {
        var ours = await host.Engine.CreateAsync(host.Plan("true"), Ct);
        var other = host.Plan("true") with
        {
            Labels = new Dictionary<string, string> { [Labels.Install] = host.InstallId + "-other" },
        };
        var theirs = await host.Engine.CreateAsync(other, Ct);
        var listed = await host.Engine.ListAsync(host.InstallId, Ct);
        Assert.Contains(listed, c => c.Id == ours && c.State == ContainerState.Created);
        Assert.DoesNotContain(listed, c => c.Id == theirs);
        await host.Engine.RemoveAsync(theirs, force: true, Ct);
    }

    /// <summary>A caller that hangs up during create still creates: it must look, and not create another.</summary>
    [Fact]
    public async Task A_create_whose_reply_was_lost_is_found_by_name_20_times_of_20()
    {
        for (var i = 0; i < 20; i++)
        {
            var plan = host.Plan("true");
            using var hangUp = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            var create = host.Engine.CreateAsync(plan, hangUp.Token);
            await Task.Delay(TimeSpan.FromMilliseconds(i % 5), Ct);
            await hangUp.CancelAsync();
            string? answered = null;
            try
            {
                answered = await create;
            }
            catch (OperationCanceledException)
            {
                // The reply was lost
            }
            string id;
            try
            {
                id = await host.Engine.CreateAsync(plan, Ct);
                // The request had not been sent when the caller hung up
                Assert.Null(answered);
            }
            catch (EngineException e) when (e.Kind == EngineErrorKind.NameTaken)
            {
                id = (await FoundAsync(plan.Name)).Id;
                Assert.True(answered is null || answered == id);
            }
            Assert.Single(await host.Engine.ListAsync(host.InstallId, Ct), c => c.Name == plan.Name);
            await host.Engine.RemoveAsync(id, force: true, Ct);
        }

        // The name is taken before the container can be seen: for a moment it is neither free nor there
        async Task<ContainerReport> FoundAsync(string name)
        {
            var began = System.Diagnostics.Stopwatch.GetTimestamp();
            while (System.Diagnostics.Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(10))
            {
                if (await host.Engine.InspectAsync(name, Ct) is { } found)
                {
                    return found;
                }
            }
            throw new InvalidOperationException($"{name} is taken, and is not there.");
        }
    }

    /// <summary>The init of the container starts in any case: a bad command shows as its exit code, not as a failed start.</summary>
    [Theory]
    [InlineData("no-such-program", 127)]
    [InlineData("/no/such/program", 127)]
    [InlineData("/etc/passwd", 126)]
    [InlineData("/etc", 126)]
    public async Task A_command_that_cannot_run_ends_with_the_exit_code_that_says_so(string program, int exitCode)
    {
        var id = await host.StartAsync(host.Plan([program]), Ct);
        Assert.Equal(exitCode, (await host.EndedAsync(id, Ct)).ExitCode);
        Assert.Contains(program, Assert.Single(await host.LinesAsync(id, Ct)));
    }

    [Fact]
    public async Task An_image_that_is_not_there_is_said_so()
    {
        var plan = host.Plan("true") with { Image = "deeplab/no-such-image:1" };
        var e = await Assert.ThrowsAsync<EngineException>(() => host.Engine.CreateAsync(plan, Ct));
        Assert.Equal(EngineErrorKind.ImageNotFound, e.Kind);
    }

    [Fact]
    public async Task A_gpu_that_is_not_there_fails_the_start()
    {
        var id = await host.Engine.CreateAsync(host.Plan("true") with { GpuUuids = ["GPU-none"] }, Ct);
        var e = await Assert.ThrowsAsync<EngineException>(() => host.Engine.StartAsync(id, Ct));
        Assert.Equal(EngineErrorKind.NoSuchDevice, e.Kind);
    }

    [Fact]
    public async Task Exec_streams_output_and_keeps_the_exit_code_and_the_head_of_stderr()
    {
        var id = await host.StartAsync(host.Plan("sleep", "60"), Ct);
        var output = new MemoryStream();
        var result = await host.Engine.ExecAsync(
            id,
            ["sh", "-c", "seq 1 100000; head -c 10000 /dev/zero | tr '\\0' e >&2; exit 5"],
            bytes =>
            {
                output.Write(bytes.Span);
                return ValueTask.CompletedTask;
            },
            Ct
        );
        Assert.Equal(5, result.ExitCode);
        Assert.Equal(new string('e', 4096), result.StderrHead);
        Assert.Equal(
            string.Concat(Enumerable.Range(1, 100_000).Select(i => i + "\n")),
            Encoding.ASCII.GetString(output.ToArray())
        );
        await host.Engine.RemoveAsync(id, force: true, Ct);
    }

    [Fact]
    public async Task Exec_in_a_container_that_does_not_run_is_a_conflict()
    {
        var id = await host.Engine.CreateAsync(host.Plan("true"), Ct);
        var e = await Assert.ThrowsAsync<EngineException>(() =>
            host.Engine.ExecAsync(id, ["true"], _ => ValueTask.CompletedTask, Ct)
        );
        Assert.Equal(EngineErrorKind.Conflict, e.Kind);
    }

    [Fact]
    public async Task Stats_count_and_end_with_the_container()
    {
        var id = await host.StartAsync(host.Plan("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 2"), Ct);
        var samples = new List<ContainerUsage>();
        await foreach (var usage in host.Engine.StatsAsync(id, Ct))
        {
            samples.Add(usage);
        }
        Assert.NotEmpty(samples);
        Assert.All(samples, s => Assert.InRange(s.MemoryBytes, 1, 256L << 20));
        Assert.All(samples, s => Assert.Equal(256L << 20, s.MemoryLimitBytes));
        Assert.True(samples[^1].CpuSeconds > 0);
        Assert.True(
            samples.Zip(samples.Skip(1)).All(p => p.Second.CpuSeconds >= p.First.CpuSeconds && p.Second.At > p.First.At)
        );
        Assert.NotEqual(ContainerState.Running, (await host.Engine.InspectAsync(id, Ct))!.State);
    }

    [Fact]
    public async Task Events_tell_of_our_containers_only()
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var seen = new List<EngineEvent>();
        var open = new TaskCompletionSource();
        var events = Task.Run(
            async () =>
            {
                var stream = host.Engine.EventsAsync(host.InstallId + "-events", enough.Token).GetAsyncEnumerator(Ct);
                await using (stream)
                {
                    while (true)
                    {
                        var next = stream.MoveNextAsync();
                        open.TrySetResult();
                        if (!await next)
                        {
                            return;
                        }
                        seen.Add(stream.Current);
                        if (stream.Current.Action == "destroy")
                        {
                            return;
                        }
                    }
                }
            },
            Ct
        );
        await open.Task;
        // The request is on its way once the first move waits; the engine needs a moment to subscribe it
        await host.Engine.InfoAsync(Ct);
        await Task.Delay(TimeSpan.FromMilliseconds(300), Ct);
        await host.StartAsync(host.Plan("true"), Ct);
        var plan = host.Plan("exit 9") with
        {
            Labels = new Dictionary<string, string>
            {
                [Labels.Install] = host.InstallId + "-events",
                [Labels.Attempt] = "77",
            },
        };
        var id = await host.StartAsync(plan, Ct);
        await host.EndedAsync(id, Ct);
        await host.Engine.RemoveAsync(id, force: true, Ct);
        await events;
        Assert.All(seen, e => Assert.Equal(id, e.ContainerId));
        Assert.Equal(
            ["create", "start", "die", "destroy"],
            seen.Select(e => e.Action).Where(a => a is "create" or "start" or "die" or "destroy")
        );
        Assert.Equal("77", seen[0].Labels[Labels.Attempt]);
        Assert.Equal("9", seen.Single(e => e.Action == "die").Labels["exitCode"]);
    }

    [Fact]
    public async Task No_more_than_four_starts_are_in_flight()
    {
        var ids = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            ids.Add(await host.Engine.CreateAsync(host.Plan("sleep", "60"), Ct));
        }
        var from = Stopwatch.GetTimestamp();
        await Task.WhenAll(ids.Select(id => host.Engine.StartAsync(id, Ct)));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"8 starts: {Stopwatch.GetElapsedTime(from).TotalMilliseconds:0} ms"
        );
        foreach (var id in ids)
        {
            Assert.Equal(ContainerState.Running, (await host.Engine.InspectAsync(id, Ct))!.State);
            await host.Engine.RemoveAsync(id, force: true, Ct);
        }
    }

    [Theory]
    [InlineData("unix:///tmp/no-such-engine.sock")]
    [InlineData("tcp://127.0.0.1:9")]
    public async Task An_engine_that_is_not_there_is_unreachable(string address)
    {
        await using var engine = TestEngine.Make(new EnginePolicy(), address);
        await Assert.ThrowsAsync<EngineUnreachableException>(() => engine.InfoAsync(Ct));
        await Assert.ThrowsAsync<EngineUnreachableException>(() => engine.InspectAsync("x", Ct));
        await Assert.ThrowsAsync<EngineUnreachableException>(async () =>
        {
            await foreach (var _ in engine.LogsAsync("x", new LogQuery(Follow: true), Ct)) { }
        });
    }
}
