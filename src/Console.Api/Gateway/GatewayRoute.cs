using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Api.Gateway;

/// <summary>The endpoint that an address is of: `/e/12/jupyter/…`. Spelled in one way only, since cookies go by it.</summary>
internal readonly partial record struct GatewayRoute(long WorkloadId, string Endpoint)
{
    public const string Prefix = "/e/";

    /// <summary>`/e/12/jupyter/`</summary>
    public string Path => Core.Workloads.Endpoint.PathOf(WorkloadId, Endpoint);

    /// <param name="path">decoded</param>
    /// <param name="rest">what follows the name: empty, or a path from its slash on</param>
    public static bool TryParse(string? path, out GatewayRoute route, out string rest)
    {
        (route, rest) = (default, "");
        if (
            path?.Split('/', 5) is not ["", "e", [not '0', ..] number, var name, ..]
            || !long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !IsName(name)
        )
        {
            return false;
        }
        route = new GatewayRoute(id, name);
        rest = path[(route.Path.Length - 1)..];
        return !LeavesItsFolder(rest);
    }

    public static bool IsName(string name) => NamePattern().IsMatch(name);

    /// <summary>
    /// What the server has not resolved is not ours to hand on: another program may read `..;` or `%2f..` as the parent folder.
    /// </summary>
    private static bool LeavesItsFolder(string path)
    {
        if (!path.Contains("..", StringComparison.Ordinal))
        {
            return false;
        }
        var slashes = path.Replace("%2f", "/", StringComparison.OrdinalIgnoreCase)
            .Replace("%5c", "/", StringComparison.OrdinalIgnoreCase)
            .Replace('\\', '/');
        return slashes.Split('/').Any(s => s.Split(';')[0] == "..");
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9_-]{0,40}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();
}
