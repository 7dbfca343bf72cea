namespace DeepLab.Core;

/// <summary>What the environment says about this installation; validated at start, all errors at once.</summary>
public sealed record ConsoleOptions
{
    /// <summary>`DEEPLAB_DB`: Npgsql connection string.</summary>
    public required string Database { get; init; }

    /// <summary>`DEEPLAB_DATA`: folder for code archives, the key ring and the first password.</summary>
    public required string DataFolder { get; init; }

    /// <summary>`DOCKER_HOST`: engine of the bootstrap host.</summary>
    public string DockerHost { get; init; } = "unix:///var/run/docker.sock";

    /// <summary>`DOCKER_CERT_PATH`: folder of ca.pem, cert.pem and key.pem, where DOCKER_HOST is `tcp://`.</summary>
    public string? DockerCertPath { get; init; }

    /// <summary>`DEEPLAB_SECRET_KEY_FILE`: the key that seals credentials in the database; `secrets.key` in the data folder unless given.</summary>
    public string? SecretKeyFile { get; init; }

    /// <summary>`DEEPLAB_HOST_NAME`</summary>
    public string HostName { get; init; } = "local";

    /// <summary>`DEEPLAB_HOST_LABELS`: `k=v,k=v`</summary>
    public IReadOnlyDictionary<string, string> HostLabels { get; init; } = new Dictionary<string, string>();

    /// <summary>`DEEPLAB_HOST_ADDRESS`: IP address at which that host's published ports and other hosts' programs reach it; null = not told.</summary>
    public string? HostAddress { get; init; }

    /// <summary>`DEEPLAB_PROBE_IMAGE`: any image with a shell, glibc and nft; the GPU runtime brings nvidia-smi.</summary>
    public string ProbeImage { get; init; } = "deeplab/base:13";

    /// <summary>`DEEPLAB_FIRST_PASSWORD`: the first admin's password, instead of a generated one.</summary>
    public string? FirstPassword { get; init; }

    /// <summary>`DEEPLAB_FAILPOINT`: the process kills itself at this named step of a launch (fault tests).</summary>
    public string? Failpoint { get; init; }

    /// <summary>`DEEPLAB_LOG_MAX_SIZE`: bytes after which an engine rotates a container's log file.</summary>
    public long LogMaxSize { get; init; } = 256L << 20;

    /// <summary>`DEEPLAB_LOG_MAX_FILES`: rotated files an engine keeps.</summary>
    public int LogMaxFiles { get; init; } = 4;

    /// <summary>`DEEPLAB_HOST_GRACE`: seconds that a host may not answer before its attempts are given up.</summary>
    public TimeSpan HostGrace { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>`DEEPLAB_EGRESS`, `…_ALLOW`, `…_DENY`: where containers may go.</summary>
    public EgressOptions Egress { get; init; } = new();

    /// <summary>Null where no gateway is set up.</summary>
    public GatewayOptions? Gateway { get; init; }

    /// <summary>`DEEPLAB_PORTS`: `first-last`, the ports of each host on which environments are published.</summary>
    public PortRange Ports { get; init; } = new(20000, 29999);

    /// <summary>
    /// `DEEPLAB_JOB_SUBNETS`: where the networks of jobs with several replicas on one host have their addresses from. By default
    /// half of what RFC 2544 keeps for benchmarks of network devices, which no lab's own network is numbered from.
    /// </summary>
    public System.Net.IPNetwork JobSubnets { get; init; } = System.Net.IPNetwork.Parse("198.19.0.0/16");

    /// <summary>`DEEPLAB_IDLE_AFTER`: seconds that nobody may use an environment before it is stopped, unless it says otherwise; 0 = for ever.</summary>
    public TimeSpan IdleAfter { get; init; } = TimeSpan.FromHours(8);

    public const string ClusterName = "local";

    /// <summary>Reads the environment.</summary>
    /// <exception cref="InvalidOperationException">Names every setting that is missing or malformed.</exception>
    public static ConsoleOptions FromEnvironment(Func<string, string?> read)
    {
        var errors = new List<string>();
        string Need(string name, string example)
        {
            var v = read(name);
            if (string.IsNullOrWhiteSpace(v))
            {
                errors.Add($"{name} is not set; for example {name}=\"{example}\".");
            }
            return v ?? "";
        }
        long Number(string name, long fallback, long least)
        {
            var v = read(name);
            if (string.IsNullOrWhiteSpace(v))
            {
                return fallback;
            }
            if (long.TryParse(v, out var n) && n >= least)
            {
                return n;
            }
            errors.Add($"{name} is \"{v}\"; a whole number of at least {least} is allowed.");
            return fallback;
        }

        var labels = new Dictionary<string, string>();
        foreach (
            var pair in (read("DEEPLAB_HOST_LABELS") ?? "").Split(
                ',',
                StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
            )
        )
        {
            var at = pair.IndexOf('=');
            if (at <= 0)
            {
                errors.Add(
                    $"DEEPLAB_HOST_LABELS holds \"{pair}\"; name=value pairs, separated by commas, are allowed."
                );
                continue;
            }
            labels[pair[..at]] = pair[(at + 1)..];
        }
        var defaults = new ConsoleOptions { Database = "", DataFolder = "" };
        PortRange PortsOf(string text)
        {
            if (PortRange.TryParse(text, out var range))
            {
                return range;
            }
            errors.Add($"DEEPLAB_PORTS is \"{text}\"; a range such as \"20000-29999\" within 1024-65535 is allowed.");
            return defaults.Ports;
        }
        System.Net.IPNetwork SubnetsOf(string text)
        {
            if (
                System.Net.IPNetwork.TryParse(text, out var range)
                && range
                    is {
                        PrefixLength: >= 8 and <= 22,
                        BaseAddress.AddressFamily: System.Net.Sockets.AddressFamily.InterNetwork
                    }
            )
            {
                return range;
            }
            errors.Add(
                $"DEEPLAB_JOB_SUBNETS is \"{text}\"; a network of IPv4 addresses between /8 and /22 is allowed, such as {defaults.JobSubnets}."
            );
            return defaults.JobSubnets;
        }
        string Or(string name, string fallback) => read(name) is { Length: > 0 } v ? v : fallback;
        var options = new ConsoleOptions
        {
            Database = Need("DEEPLAB_DB", "Host=/run/postgresql;Database=deeplab;Username=deeplab"),
            DataFolder = Need("DEEPLAB_DATA", "/var/lib/deeplab"),
            DockerHost = Or("DOCKER_HOST", defaults.DockerHost),
            DockerCertPath = read("DOCKER_CERT_PATH") is { Length: > 0 } c ? c : null,
            SecretKeyFile = read("DEEPLAB_SECRET_KEY_FILE") is { Length: > 0 } k ? k : null,
            HostName = Or("DEEPLAB_HOST_NAME", defaults.HostName),
            HostLabels = labels,
            HostAddress = read("DEEPLAB_HOST_ADDRESS") is { Length: > 0 } a ? a : null,
            ProbeImage = Or("DEEPLAB_PROBE_IMAGE", defaults.ProbeImage),
            FirstPassword = read("DEEPLAB_FIRST_PASSWORD") is { Length: > 0 } p ? p : null,
            Failpoint = read("DEEPLAB_FAILPOINT") is { Length: > 0 } f ? f : null,
            LogMaxSize = Number("DEEPLAB_LOG_MAX_SIZE", defaults.LogMaxSize, 16 << 10),
            HostGrace = TimeSpan.FromSeconds(Number("DEEPLAB_HOST_GRACE", (long)defaults.HostGrace.TotalSeconds, 1)),
            Ports = PortsOf(Or("DEEPLAB_PORTS", $"{defaults.Ports}")),
            JobSubnets = SubnetsOf(Or("DEEPLAB_JOB_SUBNETS", $"{defaults.JobSubnets}")),
            IdleAfter = TimeSpan.FromSeconds(Number("DEEPLAB_IDLE_AFTER", (long)defaults.IdleAfter.TotalSeconds, 0)),
            LogMaxFiles = (int)Number("DEEPLAB_LOG_MAX_FILES", defaults.LogMaxFiles, 1),
            Gateway = GatewayOptions.Read(read, errors),
            Egress = EgressOptions.Read(read, errors),
        };
        if (!Clusters.EngineAddress.TryParse(options.DockerHost, out _))
        {
            errors.Add($"DOCKER_HOST is \"{options.DockerHost}\"; {Clusters.EngineAddress.Allowed} are allowed.");
        }
        if (options.HostAddress is { } address && !System.Net.IPAddress.TryParse(address, out _))
        {
            errors.Add($"DEEPLAB_HOST_ADDRESS is \"{address}\"; an IP address is allowed.");
        }
        return errors.Count == 0
            ? options
            : throw new InvalidOperationException(string.Join(Environment.NewLine, errors));
    }
}

/// <summary>Both ends are inside.</summary>
public readonly record struct PortRange(int First, int Last)
{
    public int Count => Last - First + 1;

    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{First}-{Last}");

    public static bool TryParse(string text, out PortRange range)
    {
        range = default;
        if (
            text.Split('-') is not [var a, var b]
            || !ushort.TryParse(a, out var first)
            || !ushort.TryParse(b, out var last)
            || first < 1024
            || last < first
        )
        {
            return false;
        }
        range = new PortRange(first, last);
        return true;
    }
}
