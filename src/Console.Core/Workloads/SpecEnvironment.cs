using System.Collections.Immutable;
using System.Text.Json;

namespace DeepLab.Core.Workloads;

/// <summary>The `environment` of a spec.</summary>
internal static class SpecEnvironment
{
    public const string Never = "never";
    public const int MostPorts = 10;
    public const int MostKeys = 20;
    public const int MostJobs = 20;

    /// <summary>A program that its kernel's port opens to the world is no program of a user's.</summary>
    private const int LeastPort = 1024;
    private static readonly string[] s_keys =
    [
        "jupyter",
        "tensorboard",
        "ssh",
        "sshKeys",
        "home",
        "jobs",
        "ports",
        "idleAfter",
    ];
    private static readonly TimeSpan s_leastIdle = TimeSpan.FromSeconds(10);

    public static EnvironmentSpec? Read(SpecNode? node)
    {
        if (node is not { } given || SpecObject.Read(given, s_keys, _ => null) is not { } read)
        {
            return null;
        }
        var environment = new EnvironmentSpec
        {
            Jupyter = read.Find("jupyter")?.Flag() ?? true,
            TensorBoard = read.Find("tensorboard")?.Flag() ?? false,
            Ssh = read.Find("ssh")?.Flag() ?? false,
            SshKeys = Keys(read.Find("sshKeys")),
            Home = read.Find("home")?.Whole(1, int.MaxValue),
            Jobs = Jobs(read.Find("jobs")),
            Ports = Ports(read.Find("ports")),
            IdleAfter = Idle(read.Find("idleAfter")),
        };
        NeedDoor(given, environment);
        return environment;
    }

    public static void NeedDoor(SpecNode node, EnvironmentSpec environment)
    {
        if (environment.IsBoard)
        {
            if (environment is not { Jupyter: false, TensorBoard: true, Ssh: false, Home: null, Ports.IsEmpty: true })
            {
                node.Fail("The TensorBoard of jobs is nothing besides: no Jupyter, no SSH, no home and no ports.");
            }
        }
        else if (!environment.Jupyter && !environment.Ssh)
        {
            node.Fail("An environment without Jupyter and without SSH has no door; turn one of them on.");
        }
    }

    /// <summary>What a workload that is an environment may not be besides.</summary>
    public static void Check(SpecObject job, JobSpec spec)
    {
        void Refuse(string key, string message) => job.Find(key)?.Fail(message);
        foreach (var key in (string[])["code", "script", "final", "checkpoint", "maxDuration", "git"])
        {
            Refuse(key, $"An environment has no {key}; leave it out.");
        }
        var isRight =
            spec.Roles
            is [
                {
                    Name: EnvironmentSpec.Role,
                    Replicas: 1,
                    Command.IsEmpty: true,
                    Image: null,
                    RestartScope: RestartScope.Gang
                },
            ];
        if (!isRight && !spec.Roles.IsEmpty)
        {
            Refuse(
                "roles",
                $"An environment has one role, \"{EnvironmentSpec.Role}\", with one replica, no command, and no image or restart scope of its own."
            );
        }
        CheckMounts(spec, job.Find("volumes"), job.Find("datasets"));
    }

    /// <summary>Nothing is mounted in the place of its home.</summary>
    public static void CheckMounts(JobSpec spec, SpecNode? volumes, SpecNode? datasets)
    {
        Check(volumes, spec.Volumes.Select(v => (v.Name, v.MountPath)));
        Check(datasets, spec.Datasets.Select(d => (d.Name, d.Path)));

        static void Check(SpecNode? node, IEnumerable<(string Name, string Path)> mounts)
        {
            foreach (var (name, path) in mounts.Where(m => IsOfHome(m.Path)).Take(1))
            {
                node?.Fail(
                    $"The path {SpecText.Quote(path)} of {name} belongs to the environment's home; a path such as \"/data\" or \"{EnvironmentFolders.Home}/data\" is allowed."
                );
            }
        }
    }

    private static bool IsOfHome(string path) =>
        path is EnvironmentFolders.Home or "/home" or EnvironmentFolders.Own
        || path.StartsWith(EnvironmentFolders.Own + "/", StringComparison.Ordinal);

    public static void Write(Utf8JsonWriter w, EnvironmentSpec environment)
    {
        w.WriteStartObject("environment");
        w.WriteBoolean("jupyter", environment.Jupyter);
        w.WriteBoolean("tensorboard", environment.TensorBoard);
        w.WriteBoolean("ssh", environment.Ssh);
        w.WriteStartArray("sshKeys");
        foreach (var key in environment.SshKeys)
        {
            w.WriteStringValue(key);
        }
        w.WriteEndArray();
        if (environment.Home is { } home)
        {
            w.WriteNumber("home", home);
        }
        // Left out where there are none, as in every spec that was stored before there were boards
        if (environment.IsBoard)
        {
            w.WriteStartArray("jobs");
            foreach (var job in environment.Jobs)
            {
                w.WriteNumberValue(job);
            }
            w.WriteEndArray();
        }
        w.WriteStartArray("ports");
        foreach (var port in environment.Ports)
        {
            w.WriteStartObject();
            w.WriteString("name", port.Name);
            w.WriteNumber("port", port.Port);
            w.WriteEndObject();
        }
        w.WriteEndArray();
        if (environment.IdleAfter is { } idle)
        {
            w.WriteString("idleAfter", idle == TimeSpan.Zero ? Never : idle.ToString("c"));
        }
        w.WriteEndObject();
    }

    /// <summary>Public keys, each once, in the one form that goes into a file.</summary>
    public static ImmutableArray<string> Keys(SpecNode? node)
    {
        var keys = new List<string>();
        foreach (var item in node?.Items(0, MostKeys) ?? [])
        {
            if (item.Text(SshKey.LongestLine) is not { } text)
            {
                continue;
            }
            if (!SshKey.TryParse(text, out var key, out var error))
            {
                item.Fail(error);
            }
            else if (!keys.Contains(key))
            {
                keys.Add(key);
            }
        }
        return keys.Count == 0 ? [] : [.. keys];
    }

    private static ImmutableArray<long> Jobs(SpecNode? node)
    {
        var jobs = (node?.Items(1, MostJobs) ?? [])
            .Select(j => j.Whole(1, int.MaxValue))
            .OfType<int>()
            .Select(j => (long)j)
            .Distinct()
            .Order()
            .ToArray();
        // The shared empty array: equal specs are equal
        return jobs.Length == 0 ? [] : [.. jobs];
    }

    public static ImmutableArray<PortSpec> Ports(SpecNode? node)
    {
        var ports = new List<PortSpec>();
        foreach (var item in node?.Items(0, MostPorts) ?? [])
        {
            if (SpecObject.Read(item, ["name", "port"], _ => null) is not { } port)
            {
                continue;
            }
            var name = port.Need("name", "a name such as \"app\"")?.RoleName();
            var number = port.Need("port", "the port that the program listens on")?.Whole(LeastPort, 65535);
            if (name is Endpoint.Jupyter or Endpoint.TensorBoard or Endpoint.Ssh)
            {
                port.Find("name")?.Fail($"The name \"{name}\" is the console's own; choose another.");
            }
            else if (name is not null && ports.Exists(p => p.Name == name))
            {
                port.Find("name")?.Fail($"There is a port \"{name}\" before it; each needs a name of its own.");
            }
            else if (
                number is EnvironmentSpec.JupyterPort or EnvironmentSpec.TensorBoardPort or EnvironmentSpec.SshPort
            )
            {
                port.Find("port")?.Fail($"The port {number} is the environment's own; choose another.");
            }
            else if (number is not null && ports.Exists(p => p.Port == number))
            {
                port.Find("port")?.Fail($"The port {number} has a name already.");
            }
            else if (name is not null && number is { } n)
            {
                ports.Add(new PortSpec(name, n));
            }
        }
        return ports.Count == 0 ? [] : [.. ports];
    }

    /// <summary>A duration, or `never`, which is zero.</summary>
    public static TimeSpan? Idle(SpecNode? node)
    {
        if (node is not { } given)
        {
            return null;
        }
        if (given.Value.ValueKind == JsonValueKind.String && given.Value.ValueEquals(Never))
        {
            return TimeSpan.Zero;
        }
        var idle = given.Duration();
        if (idle < s_leastIdle)
        {
            given.Fail($"This is {idle:c}; \"{Never}\", or at least {s_leastIdle:c} is allowed.");
        }
        return idle;
    }
}
