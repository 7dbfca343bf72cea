using Bunit;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared.Terminals;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Shared;

public sealed class TerminalTabTests : BunitContext, IAsyncLifetime
{
    private readonly BunitJSModuleInterop _desk;
    private readonly BunitJSModuleInterop _module;

    public TerminalTabTests()
    {
        Services.AddMudServices();
        JSInterop.Mode = JSRuntimeMode.Loose;
        _module = JSInterop.SetupModule("./js/terminal.js");
        _desk = _module.SetupModule("create", _ => true);
        _desk.SetupVoid("choose", _ => true).SetVoidResult();
        _desk.SetupVoid("dispose", _ => true).SetVoidResult();
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private static ReplicaView Replica(int index, AttemptState state) =>
        new(
            $"worker-{index}",
            "worker",
            index,
            [
                new AttemptView(
                    index,
                    1,
                    state,
                    Reason.None,
                    "",
                    "h1",
                    "c",
                    "dl-7",
                    null,
                    false,
                    Fleet.Then,
                    Fleet.Then,
                    null,
                    false,
                    [],
                    []
                ),
            ]
        );

    private static JobDetail Job(params AttemptState[] replicas) =>
        Environments.Detail(WorkloadState.Running).Job with
        {
            Replicas = [.. replicas.Select((s, i) => Replica(i, s))],
        };

    [Fact]
    public void Terminals_open_in_what_runs_and_the_replica_is_chosen_in_the_address()
    {
        var tab = Render<TerminalTab>(p =>
            p.Add(c => c.Job, Job(AttemptState.Exited, AttemptState.Running, AttemptState.Running))
        );

        var made = Assert.Single(_module.Invocations["create"]);
        Assert.Equal((7L, "worker-1"), ((long)made.Arguments[1]!, (string)made.Arguments[2]!));
        Assert.Equal(["worker-1", "worker-2"], tab.FindAll("option").Select(o => o.TextContent));

        tab.Find("select").Change("worker-2");
        Assert.EndsWith(
            "?replica=worker-2",
            Services.GetRequiredService<NavigationManager>().Uri,
            StringComparison.Ordinal
        );
        tab.Render(p => p.Add(c => c.Replica, "worker-2"));
        Assert.Equal("worker-2", Assert.Single(_desk.Invocations["choose"]).Arguments[0]);
    }

    [Fact]
    public void What_was_said_last_stays_when_all_has_ended_and_nothing_is_drawn_where_nothing_ran()
    {
        var tab = Render<TerminalTab>(p => p.Add(c => c.Job, Job(AttemptState.Running)));
        tab.Render(p => p.Add(c => c.Job, Job(AttemptState.Exited)));
        Assert.Single(tab.FindAll(".terminals"));
        Assert.Empty(_desk.Invocations["dispose"]);

        var none = Render<TerminalTab>(p => p.Add(c => c.Job, Job(AttemptState.Exited)));
        Assert.Contains("Nothing runs", none.Markup, StringComparison.Ordinal);
        Assert.Single(_module.Invocations["create"]);
    }
}
