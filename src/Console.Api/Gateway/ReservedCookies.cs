using System.Globalization;

namespace DeepLab.Api.Gateway;

/// <summary>Cookies that are ours by name: no container is shown one, and none may set one.</summary>
internal static class ReservedCookies
{
    private static readonly string[] s_prefixes = ["__Host-", "__Secure-"];

    public static string TicketOf(GatewayRoute route) =>
        string.Create(CultureInfo.InvariantCulture, $"deeplab-{route.WorkloadId}-{route.Endpoint}");

    /// <summary>A cookie without a name is read by some servers as one whose name is in its value.</summary>
    public static bool Has(ReadOnlySpan<char> name)
    {
        name = name.Trim();
        foreach (var prefix in s_prefixes)
        {
            if (name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            {
                name = name[prefix.Length..];
                break;
            }
        }
        return name.IsEmpty
            || name.StartsWith("deeplab", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith(".AspNetCore", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The value of a Cookie header without ours; null where nothing is left.</summary>
    public static string? Without(string cookies)
    {
        var kept = cookies
            .Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(c => c.IndexOf('=') is > 0 and var at && !Has(c.AsSpan(0, at)));
        var text = string.Join("; ", kept);
        return text.Length > 0 ? text : null;
    }

    /// <summary>A container's Set-Cookie, held below the endpoint's path; null where it may not be set at all.</summary>
    /// <param name="path">`/e/12/jupyter/`</param>
    public static string? Confine(string setCookie, string path)
    {
        var parts = setCookie.Split(';');
        var at = parts[0].IndexOf('=');
        // __Host- wants the path /, which a container has not
        if (
            at <= 0
            || Has(parts[0].AsSpan(0, at))
            || parts[0].AsSpan().TrimStart().StartsWith("__Host-", StringComparison.OrdinalIgnoreCase)
        )
        {
            return null;
        }
        var own = path;
        var kept = new List<string> { parts[0] };
        foreach (var part in parts.AsSpan(1))
        {
            var attribute = part.Trim();
            if (IsNamed(attribute, "Domain"))
            {
                return null;
            }
            if (!IsNamed(attribute, "Path"))
            {
                kept.Add(attribute);
            }
            else if (attribute.Split('=', 2) is [_, var wanted])
            {
                var trimmed = wanted.Trim();
                own = trimmed.StartsWith(path, StringComparison.Ordinal) ? trimmed : path;
            }
        }
        kept.Add("Path=" + own);
        return string.Join("; ", kept);
    }

    private static bool IsNamed(string attribute, string name) =>
        attribute
            .AsSpan(0, attribute.IndexOf('=') is >= 0 and var at ? at : attribute.Length)
            .Trim()
            .Equals(name, StringComparison.OrdinalIgnoreCase);
}
