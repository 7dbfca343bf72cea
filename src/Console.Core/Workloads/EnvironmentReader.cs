using System.Collections.Immutable;
using System.Text.Json;

namespace DeepLab.Core.Workloads;

/// <summary>What reading an environment's definition gave: the spec, or everything that is wrong with it.</summary>
/// <param name="Password">the user's own for Jupyter, apart from the spec since that is stored and shown; null where none was given</param>
public sealed record EnvironmentReading(JobSpec? Spec, string? Password, IReadOnlyList<SpecError> Errors);

/// <summary>
/// Reads an environment as people write it, flat, as strictly as <see cref="SpecReader"/> reads a spec, into a spec of one
/// role with one replica.
/// </summary>
public static class EnvironmentReader
{
    public const int ShortestPassword = 8;
    public const int LongestPassword = 200;
    private static readonly string[] s_keys =
    [
        "name",
        "cluster",
        "team",
        "image",
        .. SpecReader.ResourceKeys,
        "volumes",
        "datasets",
        "env",
        "jupyter",
        "tensorboard",
        "ssh",
        "home",
        "ports",
        "idleAfter",
        "priority",
        "preemptible",
        "placement",
    ];

    /// <param name="utf8Json">one JSON object</param>
    public static EnvironmentReading Read(ReadOnlySpan<byte> utf8Json)
    {
        using var document = SpecReader.Parse(utf8Json, SpecReader.MaxBytes, out var refusal);
        return document is null
            ? new EnvironmentReading(null, null, [new SpecError("", refusal)])
            : Read(document.RootElement);
    }

    private static EnvironmentReading Read(JsonElement root)
    {
        var errors = new SpecErrors();
        var self = new SpecNode(root, "", errors);
        if (SpecObject.Read(self, s_keys, Misplaced) is not { } read)
        {
            return new EnvironmentReading(null, null, errors.All);
        }
        var plain = new JobSpec
        {
            Name = read.Need("name", "a name such as \"my-notebook\"")?.Name() ?? "",
            Image = read.Need("image", "a name of the catalogue, or an image reference")?.Image() ?? "",
            Roles = [],
        };
        var (jupyter, password) = Jupyter(read.Find("jupyter"));
        var (ssh, keys) = Ssh(read.Find("ssh"));
        var environment = new EnvironmentSpec
        {
            Jupyter = jupyter,
            TensorBoard = read.Find("tensorboard")?.Flag() ?? false,
            Ssh = ssh,
            SshKeys = keys,
            Home = read.Find("home")?.Whole(1, int.MaxValue),
            Ports = SpecEnvironment.Ports(read.Find("ports")),
            IdleAfter = SpecEnvironment.Idle(read.Find("idleAfter")),
        };
        SpecEnvironment.NeedDoor(self, environment);
        var volumes = read.Find("volumes");
        var mounts = SpecVolumes.Read(volumes);
        var datasets = read.Find("datasets");
        var spec = plain with
        {
            Cluster = read.Find("cluster")?.Name() ?? plain.Cluster,
            Team = read.Find("team")?.Name(),
            Roles = [new RoleSpec { Name = EnvironmentSpec.Role, Resources = SpecReader.Resources(read) }],
            Env = SpecEnv.Read(read.Find("env")),
            Volumes = mounts,
            Datasets = SpecDatasets.Read(datasets, mounts),
            Priority = read.Find("priority")?.Whole(0, 100) ?? plain.Priority,
            Preemptible = read.Find("preemptible")?.Flag() ?? false,
            Placement = SpecPlacement.Read(read.Find("placement")),
            Environment = environment,
        };
        SpecEnvironment.CheckMounts(spec, volumes, datasets);
        return errors.All.Count > 0
            ? new EnvironmentReading(null, null, errors.All)
            : new EnvironmentReading(spec, password, []);
    }

    private static (bool On, string? Password) Jupyter(SpecNode? node)
    {
        if (node is not { } given || SpecObject.Read(given, ["enabled", "password"], _ => null) is not { } read)
        {
            return (true, null);
        }
        var on = read.Find("enabled")?.Flag() ?? true;
        var asked = read.Find("password");
        if (!on)
        {
            asked?.Fail("Jupyter is off; leave its password out.");
            return (false, null);
        }
        return (true, asked is { } p ? Password(p) : null);
    }

    /// <summary>Never quoted back, however wrong it is.</summary>
    private static string? Password(SpecNode node)
    {
        var text = node.Value.ValueKind == JsonValueKind.String ? node.Text(LongestPassword * 4) : null;
        if (WhyNoPassword(text) is { } why)
        {
            node.Fail(why);
            return null;
        }
        return text;
    }

    /// <summary>A sentence; null where it may be one.</summary>
    public static string? WhyNoPassword(string? text) =>
        text is { Length: >= ShortestPassword and <= LongestPassword } && !text.Any(char.IsControl)
            ? null
            : $"{ShortestPassword} to {LongestPassword} characters without control characters are allowed, or none at all: the console signs you in by itself.";

    private static (bool On, ImmutableArray<string> Keys) Ssh(SpecNode? node)
    {
        if (node is not { } given || SpecObject.Read(given, ["enabled", "keys"], _ => null) is not { } read)
        {
            return (false, []);
        }
        var on = read.Find("enabled")?.Flag() ?? true;
        var asked = read.Find("keys");
        if (!on)
        {
            asked?.Fail("SSH is off; leave its keys out.");
            return (false, []);
        }
        return (true, SpecEnvironment.Keys(asked));
    }

    private static string? Misplaced(string key) =>
        key switch
        {
            "password" => "jupyter.password",
            "keys" or "sshKeys" => "ssh.keys",
            _ => null,
        };
}
