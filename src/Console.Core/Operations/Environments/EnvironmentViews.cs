using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Environments;

/// <summary>How far an environment is on its way to its links.</summary>
public enum EnvironmentStep
{
    Queued,
    Pulling,
    Creating,
    WaitingForJupyter,
    WaitingForTensorBoard,
    Ready,
    Stopping,
    Ended,
}

/// <param name="Fraction">0-1 of the step, where that is known</param>
/// <param name="Message">a sentence for people</param>
public sealed record EnvironmentProgress(EnvironmentStep Step, double? Fraction, string Message);

/// <param name="Url">path at the gateway</param>
public sealed record EnvironmentLink(string Name, string Url);

/// <param name="Address">of the host that publishes it</param>
/// <param name="Port">of the host</param>
public sealed record EndpointView(string Name, EndpointKind Kind, int ContainerPort, string Address, int Port);

/// <param name="After">how long nobody may use it; null = for ever</param>
/// <param name="CulledAt">when it is stopped unless somebody uses it; null where it is not</param>
/// <param name="Warned">the end is near</param>
public sealed record EnvironmentIdle(
    TimeSpan? After,
    DateTimeOffset? LastActiveAt,
    DateTimeOffset? CulledAt,
    bool Warned
);

/// <summary>One line of a list of environments.</summary>
/// <param name="Links">while it runs</param>
public sealed record EnvironmentRow(
    JobRow Row,
    string Image,
    bool Jupyter,
    bool TensorBoard,
    bool Ssh,
    EnvironmentProgress Progress,
    EnvironmentIdle Idle,
    IReadOnlyList<EnvironmentLink> Links
);

/// <param name="Job">what it has in common with every workload</param>
/// <param name="Links">while it runs</param>
/// <param name="SshLine">to copy into a terminal, while it runs and has SSH</param>
/// <param name="HomeHost">the host where its home lies: it starts nowhere else; null before its first start</param>
public sealed record EnvironmentDetail(
    JobDetail Job,
    EnvironmentSpec Spec,
    ResourcesSpec Resources,
    EnvironmentProgress Progress,
    EnvironmentIdle Idle,
    IReadOnlyList<EnvironmentLink> Links,
    string? SshLine,
    IReadOnlyList<EndpointView> Endpoints,
    string? HomeHost
);
