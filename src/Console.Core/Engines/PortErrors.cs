using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Engines;

/// <summary>What an engine says of a port that it could not publish.</summary>
public static partial class PortErrors
{
    public static bool SaysTaken(string message) =>
        message.Contains("port is already allocated", StringComparison.OrdinalIgnoreCase)
        || message.Contains("address already in use", StringComparison.OrdinalIgnoreCase);

    /// <summary>The port that the message names; null where it names none.</summary>
    public static int? PortOf(string message) =>
        Pattern().Match(message) is { Success: true } m
            ? int.Parse(m.Groups["port"].ValueSpan, CultureInfo.InvariantCulture)
            : null;

    [GeneratedRegex(
        @":(?<port>[0-9]{1,5})(: bind: address already in use| failed: port is already allocated)",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase
    )]
    private static partial Regex Pattern();
}
