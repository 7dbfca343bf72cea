using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>
/// An image's name as engines take it: `[registry[:port]/]path[:tag][@digest]`. A name of the image catalogue, such as
/// `pytorch-cpu`, is a valid reference too.
/// </summary>
/// <param name="Registry">host and port, or null for the engine's default</param>
/// <param name="Path">`library/python`; small letters</param>
/// <param name="Tag">null where none was written</param>
/// <param name="Digest">`sha256:…`, or null</param>
public sealed partial record ImageReference(string? Registry, string Path, string? Tag, string? Digest)
{
    public const int MaxLength = 255;

    /// <summary>Ports where engines listen: a pull from there would make the engine talk to an engine.</summary>
    private static readonly int[] EnginePorts = [2375, 2376, 2377];

    public static bool TryParse(string text, [NotNullWhen(true)] out ImageReference? reference, out string error)
    {
        reference = null;
        error = "";
        if (text.Length is 0 or > MaxLength)
        {
            error = $"The image has {text.Length:N0} characters; 1 to {MaxLength} are allowed.";
            return false;
        }
        var m = Pattern().Match(text);
        if (!m.Success)
        {
            error =
                $"{SpecText.Quote(text)} is not an image reference; [registry[:port]/]path[:tag][@sha256:digest] is allowed, the path in small letters.";
            return false;
        }
        string? Part(string name) => m.Groups[name] is { Success: true } g ? g.Value : null;
        reference = new ImageReference(Part("registry"), m.Groups["path"].Value, Part("tag"), Part("digest"));
        if (reference.Registry is { } registry && WhyRefused(registry) is { } why)
        {
            error = $"Images are not pulled from {SpecText.Quote(registry)}: {why}.";
            reference = null;
            return false;
        }
        // With a tag, an engine does not take a name for the beginning of an id
        if (reference is { Registry: null, Tag: null, Digest: null } && BareId().IsMatch(reference.Path))
        {
            error =
                "The image is nothing but hexadecimal digits, which engines take for the beginning of an id; a name is allowed, or this with a tag.";
            reference = null;
            return false;
        }
        if (reference is { Registry: null, Path: "sha256" })
        {
            error = "The image is an id; a name is allowed.";
            reference = null;
            return false;
        }
        return true;
    }

    private static string? WhyRefused(string registry)
    {
        var colon = registry.LastIndexOf(':');
        var hasPort = colon > 0 && registry[^1] != ']';
        var host = (hasPort ? registry[..colon] : registry).Trim('[', ']');
        if (hasPort)
        {
            if (!int.TryParse(registry.AsSpan(colon + 1), out var port) || port is 0 or > 65535)
            {
                return "the port is not one of 1 to 65535";
            }
            if (EnginePorts.Contains(port))
            {
                return $"port {port} belongs to Docker engines, not to registries";
            }
        }
        if (string.Equals(host, "metadata.google.internal", StringComparison.OrdinalIgnoreCase))
        {
            return "it is a cloud's metadata service";
        }
        // Also the old spellings of an address, such as 0xa9fea9fe.1 and 0251.0376.1, which resolvers accept
        return IPAddress.TryParse(host, out var ip) && IsLinkLocal(ip)
            ? "link-local addresses hold cloud metadata, not registries"
            : null;
    }

    private static bool IsLinkLocal(IPAddress ip)
    {
        if (ip.IsIPv4MappedToIPv6)
        {
            ip = ip.MapToIPv4();
        }
        if (ip.AddressFamily == AddressFamily.InterNetwork)
        {
            return ip.GetAddressBytes() is [169, 254, ..];
        }
        return ip.IsIPv6LinkLocal || ip.Equals(IPAddress.Parse("fd00:ec2::254"));
    }

    /// <summary>As engines list it: their default registry left out, the tag spelled out.</summary>
    public string Familiar
    {
        get
        {
            var registry = Registry is null or "docker.io" or "index.docker.io" ? "" : Registry + "/";
            var path = registry.Length == 0 && Path.StartsWith("library/", StringComparison.Ordinal) ? Path[8..] : Path;
            return Digest is null ? $"{registry}{path}:{Tag ?? "latest"}" : $"{registry}{path}@{Digest}";
        }
    }

    /// <summary>As engines list it; what is no reference stays as it is.</summary>
    public static string FamiliarOf(string text) => TryParse(text, out var parsed, out _) ? parsed.Familiar : text;

    public override string ToString() =>
        $"{(Registry is null ? "" : Registry + "/")}{Path}{(Tag is null ? "" : ":" + Tag)}{(Digest is null ? "" : "@" + Digest)}";

    // The first part is a registry only if it has a dot or a port or is localhost, as in the reference grammar of engines
    [GeneratedRegex(
        @"^(?:(?<registry>localhost(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?"
            + @"|(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+(?::[0-9]{1,5})?"
            + @"|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?:[0-9]{1,5})/)?"
            + @"(?<path>[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*)"
            + @"(?::(?<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
            + @"(?:@(?<digest>sha256:[0-9a-f]{64}))?\z",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking
    )]
    private static partial Regex Pattern();

    [GeneratedRegex(@"^[0-9a-f]{1,64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex BareId();
}
