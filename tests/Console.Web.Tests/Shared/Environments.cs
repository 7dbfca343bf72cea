using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Tests.Shared;

/// <summary>Environments for tests.</summary>
internal static class Environments
{
    public static JobRow Row(WorkloadState state, string message = "") =>
        new(7, "mine", "ada", state, Reason.None, message, 2, 2, "h1", 50, Fleet.Then, Fleet.Then, Fleet.Then, null);

    public static EnvironmentIdle Idle(bool warned = false) =>
        new(TimeSpan.FromHours(8), Fleet.Then, Fleet.Then.AddHours(8), warned);

    public static IReadOnlyList<EnvironmentLink> Links(WorkloadState state) =>
        state == WorkloadState.Running
            ? [new EnvironmentLink("jupyter", "/e/7/jupyter/"), new EnvironmentLink("app", "/e/7/app/")]
            : [];

    public static EnvironmentDetail Detail(
        WorkloadState state,
        EnvironmentProgress? progress = null,
        bool warned = false
    ) =>
        new(
            new JobDetail(
                Row(state),
                "local",
                "pytorch-cpu",
                "{}",
                DesiredState.Run,
                0,
                0,
                [],
                1,
                null,
                "default",
                false,
                false,
                false,
                0,
                0,
                []
            ),
            new EnvironmentSpec { Ssh = true },
            new ResourcesSpec(),
            progress ?? new EnvironmentProgress(EnvironmentStep.Ready, null, ""),
            Idle(warned),
            Links(state),
            state == WorkloadState.Running ? "ssh -p 20001 lab@10.0.0.7" : null,
            [],
            "h1"
        );
}
