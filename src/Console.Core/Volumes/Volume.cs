namespace DeepLab.Core.Volumes;

public enum VolumeKind
{
    /// <summary>On the hosts themselves: the engine's own, or a path of the host.</summary>
    Local,
}

/// <summary>
/// A named data source that an admin defined; users mount it by its name and never learn where it lies. One without a path is
/// the engine's own and lies on one host. One with a path is whatever each of its hosts has there: a disk, or a file system
/// that is mounted on all of them.
/// </summary>
public sealed class Volume
{
    public Guid Id { get; set; }
    public required string Name { get; set; }
    public VolumeKind Kind { get; set; }

    /// <summary>Absolute path that an admin approved on each of <see cref="Hosts"/>; null = the engine's own volume.</summary>
    public string? Path { get; set; }

    /// <summary>Names of the hosts that have it: jobs that mount it run there. Empty = every host has it.</summary>
    public string[] Hosts { get; set; } = [];

    /// <summary>Nobody may write to it.</summary>
    public bool ReadOnly { get; set; }

    /// <summary>Only this team mounts it; null = everyone.</summary>
    public Guid? TeamId { get; set; }
    public string Description { get; set; } = "";
    public DateTimeOffset CreatedAt { get; set; }
}

/// <summary>What a spec asks for: a volume by name, at a path of its containers.</summary>
public sealed record VolumeMount(string Name, string MountPath, bool ReadOnly = false);

/// <summary>Which paths a volume may be, and where it may be mounted. Pure.</summary>
public static class VolumePaths
{
    public const int Longest = 255;

    /// <summary>Folders of a host that are the host itself: what can write there, or read all of it, owns the machine.</summary>
    private static readonly string[] s_closedOnHosts =
    [
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/lib/containerd",
        "/var/lib/docker",
        "/var/lib/postgresql",
        "/var/run",
    ];

    /// <summary>Folders of a container that its image or the console fills.</summary>
    private static readonly string[] s_closedInContainers =
    [
        "/bin",
        "/boot",
        "/checkpoints",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/tmp/deeplab",
        "/usr",
        "/var/run",
    ];

    /// <summary>Why a host's path may not be a volume, as a sentence; null where it may.</summary>
    public static string? WhyNotOnHost(string path) =>
        WhyNotPlain(path)
        ?? (
            IsWithin(path, s_closedOnHosts) || HoldsAny(path, s_closedOnHosts)
                ? "This is, or holds, a folder that the host itself lives from; a data folder such as \"/data\" or \"/mnt/datasets\" is allowed."
                : null
        );

    /// <summary>Why nothing may be mounted there in a container, as a sentence; null where it may.</summary>
    public static string? WhyNotInContainer(string path) =>
        WhyNotPlain(path)
        ?? (
            IsWithin(path, s_closedInContainers) || path is "/tmp" or "/workspace"
                ? "This folder belongs to the image or to the console; a path such as \"/data\" is allowed."
                : null
        );

    private static string? WhyNotPlain(string path)
    {
        var plain =
            path.Length is > 1 and <= Longest
            && path[0] == '/'
            && path.All(c => !char.IsControl(c) && c is not (',' or ':' or '\\'))
            && path[1..].Split('/').All(part => part is not ("" or "." or ".."));
        return plain
            ? null
            : $"An absolute path of at most {Longest} characters is allowed, without \".\", \"..\", empty parts, ',', ':' and '\\', and not \"/\" itself.";
    }

    private static bool IsWithin(string path, string[] folders) =>
        folders.Any(f => path == f || path.StartsWith(f + "/", StringComparison.Ordinal));

    private static bool HoldsAny(string path, string[] folders) =>
        folders.Any(f => f.StartsWith(path + "/", StringComparison.Ordinal));
}
