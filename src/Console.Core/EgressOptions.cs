using System.Globalization;
using System.Net;

namespace DeepLab.Core;

/// <summary>What a host is asked for before it takes work.</summary>
public enum EgressMode
{
    /// <summary>The rules hold, or it takes none.</summary>
    On,

    /// <summary>The rules where they can be had; where not, that is told and work goes there all the same.</summary>
    BestEffort,

    /// <summary>No rules.</summary>
    Off,
}

/// <summary>Where containers may not go, and where they may all the same.</summary>
public sealed record EgressOptions
{
    /// <summary>`DEEPLAB_EGRESS`; a host's own label `egress` comes before it.</summary>
    public EgressMode Mode { get; init; }

    /// <summary>`DEEPLAB_EGRESS_ALLOW`: a proxy or a mirror, say. Comes before everything that is refused.</summary>
    public IReadOnlyList<EgressTarget> Allow { get; init; } = [];

    /// <summary>`DEEPLAB_EGRESS_DENY`: beside what the console refuses by itself.</summary>
    public IReadOnlyList<EgressTarget> Deny { get; init; } = [];

    public const string HostLabel = "egress";
    private const string ModeWords = "on, best-effort and off";

    /// <summary>Of this host: its label, where that is a mode.</summary>
    public EgressMode ModeOf(IReadOnlyDictionary<string, string> labels) =>
        labels.TryGetValue(HostLabel, out var text) && TryMode(text, out var mode) ? mode : Mode;

    internal static EgressOptions Read(Func<string, string?> read, List<string> errors)
    {
        var mode = EgressMode.On;
        if (read("DEEPLAB_EGRESS") is { Length: > 0 } text && !TryMode(text, out mode))
        {
            errors.Add($"DEEPLAB_EGRESS is \"{text}\"; {ModeWords} are allowed.");
        }
        return new EgressOptions
        {
            Mode = mode,
            Allow = Targets("DEEPLAB_EGRESS_ALLOW", read, errors),
            Deny = Targets("DEEPLAB_EGRESS_DENY", read, errors),
        };
    }

    private static bool TryMode(string text, out EgressMode mode)
    {
        (var known, mode) = text switch
        {
            "on" => (true, EgressMode.On),
            "best-effort" => (true, EgressMode.BestEffort),
            "off" => (true, EgressMode.Off),
            _ => (false, EgressMode.On),
        };
        return known;
    }

    private static List<EgressTarget> Targets(string name, Func<string, string?> read, List<string> errors)
    {
        var targets = new List<EgressTarget>();
        var parts = (read(name) ?? "").Split(
            ',',
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
        );
        foreach (var part in parts)
        {
            if (EgressTarget.TryParse(part, out var target))
            {
                targets.Add(target);
                continue;
            }
            errors.Add(
                $"{name} holds \"{part}\"; IP addresses and networks, with a TCP port or without, separated by commas, are allowed, such as 10.0.0.5:3128,10.1.0.0/16,[fd00::1]:443."
            );
        }
        return targets;
    }
}

/// <param name="Port">TCP; null = all ports of all protocols</param>
public sealed record EgressTarget(IPNetwork Network, int? Port)
{
    /// <summary>Every port of one address.</summary>
    public static EgressTarget Of(IPAddress address, int? port = null)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : new IPAddress(address.GetAddressBytes());
        return new EgressTarget(new IPNetwork(plain, plain.GetAddressBytes().Length * 8), port);
    }

    /// <summary>`10.0.0.5`, `10.0.0.0/8`, `10.0.0.5:3128`, `fd00::1`, `[fd00::1]:443`, `[fd00::/8]:443`.</summary>
    public static bool TryParse(string text, out EgressTarget target)
    {
        target = null!;
        var (place, port) = (text, (int?)null);
        var colon = text.LastIndexOf(':');
        if (colon > 0 && (text[colon - 1] == ']' || text.IndexOf(':') == colon))
        {
            if (
                !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var p)
                || p == 0
            )
            {
                return false;
            }
            (place, port) = (text[..colon], p);
        }
        if (place.StartsWith('[') && place.EndsWith(']'))
        {
            place = place[1..^1];
        }
        if (IPNetwork.TryParse(place, out var network))
        {
            target = new EgressTarget(network, port);
            return true;
        }
        // A lone number would be an address too
        if (place.AsSpan().IndexOfAny('.', ':') < 0 || !IPAddress.TryParse(place, out var address))
        {
            return false;
        }
        target = Of(address, port);
        return true;
    }
}
