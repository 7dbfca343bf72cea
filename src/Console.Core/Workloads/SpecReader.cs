using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace DeepLab.Core.Workloads;

/// <summary>What reading a spec gave: the spec, or everything that is wrong with it.</summary>
/// <param name="Spec">null exactly where there are errors</param>
/// <param name="Errors">in the order of the document, at most <see cref="SpecErrors.Limit"/></param>
public sealed record SpecReading(JobSpec? Spec, IReadOnlyList<SpecError> Errors);

/// <summary>
/// Reads a job's spec from JSON, strictly: a key that is unknown, doubled or differs only in case is an error, and so is
/// every value outside its range. All errors are reported at once, each at its path. Knows nothing of what exists: image,
/// code and cluster are looked up by whoever submits.
/// </summary>
public static partial class SpecReader
{
    /// <summary>Bytes of UTF-8.</summary>
    public const int MaxBytes = 1 << 20;
    public const int MaxDepth = 32;

    /// <summary>Bytes of UTF-8.</summary>
    public const int MaxScriptBytes = 256 << 10;
    public const int MaxReplicas = 256;
    public const int MaxRoles = 16;
    public const int MaxGpus = 1024;
    public const double MaxCpus = 1024;

    /// <summary>What Docker itself takes at least.</summary>
    public const long MinMemory = 6L << 20;
    public const long MaxMemory = 64L << 40;
    private static readonly string[] JobKeys =
    [
        "name",
        "cluster",
        "team",
        "image",
        "code",
        "script",
        "topology",
        "network",
        "roles",
        "env",
        "volumes",
        "datasets",
        "final",
        "checkpoint",
        "metrics",
        "tensorboard",
        "restart",
        "priority",
        "preemptible",
        "placement",
        "maxDuration",
        "labels",
        "git",
        "environment",
    ];
    private static readonly string[] RoleKeys =
    [
        "name",
        "image",
        "replicas",
        "minReplicas",
        "command",
        "env",
        "deciding",
        "restartScope",
        "resources",
    ];
    internal static readonly string[] ResourceKeys = ["gpus", "gpuModel", "gpuMemory", "cpus", "memory", "shm"];
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    public static SpecReading Read(string json) => Read(json, MaxBytes);

    /// <summary>
    /// Reads what <see cref="SpecWriter"/> wrote. Its escapes can make a valid spec longer than what users may send.
    /// </summary>
    public static SpecReading ReadStored(string json) => Read(json, 4 * MaxBytes);

    private static SpecReading Read(string json, int most)
    {
        byte[] utf8;
        try
        {
            utf8 = StrictUtf8.GetBytes(json);
        }
        catch (EncoderFallbackException)
        {
            return Refuse("The text holds half of a surrogate pair; Unicode text is allowed.");
        }
        return Read(utf8, most);
    }

    /// <param name="utf8Json">one JSON object, without comments or trailing commas</param>
    public static SpecReading Read(ReadOnlySpan<byte> utf8Json) => Read(utf8Json, MaxBytes);

    private static SpecReading Read(ReadOnlySpan<byte> utf8Json, int most)
    {
        using var document = Parse(utf8Json, most, out var refusal);
        return document is null ? Refuse(refusal) : Read(document.RootElement);
    }

    /// <summary>Null where it is not one JSON value of that size at most; the refusal says why.</summary>
    internal static JsonDocument? Parse(ReadOnlySpan<byte> utf8Json, int most, out string refusal)
    {
        refusal = "";
        if (utf8Json.Length > most)
        {
            refusal = $"The spec has {utf8Json.Length:N0} bytes; at most {MaxBytes:N0} (1 MiB) are allowed.";
            return null;
        }
        try
        {
            var reader = new Utf8JsonReader(utf8Json, new JsonReaderOptions { MaxDepth = MaxDepth });
            var document = JsonDocument.ParseValue(ref reader);
            if (!utf8Json[(int)reader.BytesConsumed..].ContainsAnyExcept(" \t\r\n"u8))
            {
                return document;
            }
            document.Dispose();
            refusal = "Something follows the JSON object; exactly one object is allowed.";
        }
        catch (JsonException e)
        {
            refusal = Explain(e);
        }
        return null;
    }

    private static SpecReading Refuse(string message) => new(null, [new SpecError("", message)]);

    private static string Explain(JsonException e) =>
        e.Message.Contains("maximum configured depth", StringComparison.OrdinalIgnoreCase)
            ? $"The JSON is nested deeper than {MaxDepth} levels."
            : $"This is not JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1} of that line cannot stand there.";

    private static SpecReading Read(JsonElement root)
    {
        var errors = new SpecErrors();
        var job = SpecObject.Read(new SpecNode(root, "", errors), JobKeys, Misplaced);
        if (job is null)
        {
            return new SpecReading(null, errors.All);
        }
        var name = job.Need("name", "a name such as \"digits\"")?.Name();
        var cluster = job.Find("cluster")?.Name();
        var team = job.Find("team")?.Name();
        var image = job.Need(
                "image",
                "an image reference such as \"deeplab/pytorch-cpu:2.6\", or a name of the catalogue"
            )
            ?.Image();
        var code = job.Find("code")?.Digest();
        var script = job.Find("script")?.Script();
        var topology = Topologies.Read(job.Find("topology"));
        var hostNetwork = HostNetworks.Read(job.Find("network"));
        var roles = Roles(job);
        var env = SpecEnv.Read(job.Find("env"));
        var volumes = SpecVolumes.Read(job.Find("volumes"));
        var datasets = SpecDatasets.Read(job.Find("datasets"), volumes);
        var final = job.Find("final")?.Flag() ?? false;
        var checkpoint = SpecCheckpoint.Read(job.Find("checkpoint"), Misplaced);
        var metrics = SpecMetrics.Read(job.Find("metrics"), Misplaced);
        var tensorBoard = job.Find("tensorboard")?.Flag();
        var restart = Restart(job.Find("restart"));
        var priority = job.Find("priority")?.Whole(0, 100);
        var preemptible = job.Find("preemptible")?.Flag();
        var placement = SpecPlacement.Read(job.Find("placement"));
        var maxDuration = job.Find("maxDuration")?.Duration();
        var labels = SpecLabels.Read(job.Find("labels"));
        var git = SpecGit.Read(job.Find("git"));
        var environment = SpecEnvironment.Read(job.Find("environment"));
        if (errors.All.Count > 0)
        {
            return new SpecReading(null, errors.All);
        }
        var plain = new JobSpec
        {
            Name = name!,
            Image = image!,
            Roles = roles,
        };
        var spec = plain with
        {
            Cluster = cluster ?? plain.Cluster,
            Team = team,
            Code = code,
            Script = script,
            Topology = topology,
            HostNetwork = hostNetwork,
            Env = env,
            Volumes = volumes,
            Datasets = datasets,
            Final = final,
            Restart = restart,
            Priority = priority ?? plain.Priority,
            Preemptible = preemptible ?? false,
            Placement = placement,
            MaxDuration = maxDuration,
            Checkpoint = checkpoint,
            Metrics = metrics,
            Labels = labels,
            Git = git,
            TensorBoard = tensorBoard,
            Environment = environment,
        };
        if (environment is not null)
        {
            SpecEnvironment.Check(job, spec);
        }
        Topologies.Check(job, spec);
        HostNetworks.Check(job, spec);
        return errors.All.Count > 0 ? new SpecReading(null, errors.All) : new SpecReading(spec, []);
    }

    private static ImmutableArray<RoleSpec> Roles(SpecObject job)
    {
        var node = job.Need("roles", "a list of at least one role");
        if (node?.Items(1, MaxRoles) is not { } items)
        {
            return [];
        }
        var roles = new List<RoleSpec>();
        foreach (var item in items)
        {
            if (Role(item) is not { } role)
            {
                continue;
            }
            if (role.Name.Length > 0 && roles.Any(r => r.Name == role.Name))
            {
                item.Fail($"There is a role \"{role.Name}\" before it; each role needs a name of its own.");
            }
            roles.Add(role);
        }
        var replicas = roles.Sum(r => r.Replicas);
        if (replicas > MaxReplicas && roles.Count > 1)
        {
            node.Value.Fail($"The roles have {replicas:N0} replicas together; at most {MaxReplicas} are allowed.");
        }
        return [.. roles];
    }

    private static RoleSpec? Role(SpecNode node)
    {
        if (SpecObject.Read(node, RoleKeys, Misplaced) is not { } role)
        {
            return null;
        }
        var name = role.Need("name", "a name such as \"worker\"")?.RoleName();
        var image = role.Find("image")?.Image();
        var replicas = role.Find("replicas")?.Whole(1, MaxReplicas);
        var least = role.Find("minReplicas")?.Whole(1, MaxReplicas);
        var command = role.Find("command")?.Command() ?? [];
        var env = SpecEnv.Read(role.Find("env"));
        var deciding = role.Find("deciding")?.Flag();
        var scope = Topologies.ReadScope(role.Find("restartScope"));
        var resources = Resources(role.Find("resources"));
        return new RoleSpec
        {
            Name = name ?? "",
            Image = image,
            Replicas = replicas ?? 1,
            MinReplicas = least,
            Command = command,
            // The shared empty one: equal specs are equal
            Env = env.Count == 0 ? SpecEnv.None : env,
            Deciding = deciding,
            RestartScope = scope,
            Resources = resources,
        };
    }

    private static ResourcesSpec Resources(SpecNode? node) =>
        node is { } given && SpecObject.Read(given, ResourceKeys, Misplaced) is { } resources
            ? Resources(resources)
            : new ResourcesSpec();

    /// <summary>Of any object that holds the keys of resources.</summary>
    internal static ResourcesSpec Resources(SpecObject resources)
    {
        var plain = new ResourcesSpec();
        var asked = resources.Find("gpus");
        var gpus = asked is null ? plain.Gpus : asked.Value.Whole(0, MaxGpus);
        var read = new ResourcesSpec
        {
            Gpus = gpus ?? plain.Gpus,
            GpuModel = resources.Find("gpuModel")?.Line(1, 100),
            GpuMemory = resources.Find("gpuMemory")?.Bytes(1, MaxMemory),
            Cpus = resources.Find("cpus")?.Hundredths(0.01, MaxCpus) ?? plain.Cpus,
            Memory = resources.Find("memory")?.Bytes(MinMemory, MaxMemory) ?? plain.Memory,
            Shm = resources.Find("shm")?.Bytes(64 << 10, MaxMemory) ?? plain.Shm,
        };
        if (gpus == 0)
        {
            const string Without =
                "This describes GPUs, but none is asked for; set gpus to at least 1 or leave it out.";
            if (read.GpuModel is not null)
            {
                resources.Find("gpuModel")?.Fail(Without);
            }
            if (read.GpuMemory is not null)
            {
                resources.Find("gpuMemory")?.Fail(Without);
            }
        }
        return read;
    }

    private static RestartSpec Restart(SpecNode? node) =>
        node is { } given && SpecObject.Read(given, ["maxRestarts"], Misplaced) is { } restart
            ? new RestartSpec { MaxRestarts = restart.Find("maxRestarts")?.Whole(0, 100) ?? 0 }
            : new RestartSpec();

    /// <summary>Where a key belongs that stands in the wrong object; null where it belongs nowhere.</summary>
    private static string? Misplaced(string key) =>
        key switch
        {
            "command" or "replicas" or "minReplicas" or "resources" or "deciding" or "restartScope" =>
                $"roles[0].{key}",
            _ when ResourceKeys.Contains(key) => $"roles[0].resources.{key}",
            "everySteps" or "keep" => $"checkpoint.{key}",
            "maxRestarts" => "restart.maxRestarts",
            "patterns" => "metrics.patterns",
            "commit" or "diff" => $"git.{key}",
            _ when JobKeys.Contains(key) => $"{key}, at the top of the spec",
            _ => null,
        };
}
