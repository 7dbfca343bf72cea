using System.Collections.Immutable;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Model;

namespace DeepLab.Engine.Tests;

/// <summary>Small jobs for tests.</summary>
public static class Specs
{
    public static JobSpec Shell(
        string script,
        int gpus = 0,
        int replicas = 1,
        double cpus = 0.25,
        string image = "deeplab/base:13",
        int maxRestarts = 0
    ) =>
        new()
        {
            Name = "test",
            Image = image,
            Roles =
            [
                new RoleSpec
                {
                    Name = "worker",
                    Replicas = replicas,
                    Command = ["sh", "-c", script],
                    Resources = new ResourcesSpec
                    {
                        Gpus = gpus,
                        Cpus = cpus,
                        Memory = 64 << 20,
                    },
                },
            ],
            Restart = new RestartSpec { MaxRestarts = maxRestarts },
        };

    /// <summary>The spec of a wish of the model's.</summary>
    internal static JobSpec Of(Wish wish, string name)
    {
        var spec = Shell(Script.Shell, wish.Gpus, wish.Replicas, maxRestarts: wish.MaxRestarts);
        return spec with
        {
            Name = name,
            Topology = wish.Bond == Bond.Array ? Topology.Array : Topology.Peers,
            Roles = [spec.Roles[0] with { MinReplicas = wish.Bond == Bond.Elastic ? 1 : null }],
            Env = wish.Script.ToEnv().ToImmutableSortedDictionary(StringComparer.Ordinal),
            Team = wish.Team,
            Priority = wish.Priority,
            Preemptible = wish.Preemptible,
            MaxDuration = wish.MaxSeconds is { } s ? TimeSpan.FromSeconds(s) : null,
        };
    }
}
