using System.Diagnostics.CodeAnalysis;

namespace DeepLab.Core.Clusters;

/// <summary>Where an engine listens.</summary>
public static class EngineAddress
{
    public const string Allowed = "unix:///path and tcp://address:port";
    private const int MaxLength = 200;

    public static bool TryParse(string text, [NotNullWhen(true)] out Uri? address)
    {
        address = null;
        if (text.Length > MaxLength || text.Any(char.IsControl) || !Uri.TryCreate(text, UriKind.Absolute, out var uri))
        {
            return false;
        }
        var isRight = uri.Scheme switch
        {
            "unix" => uri.Host.Length == 0 && uri.AbsolutePath.Length > 1,
            "tcp" => uri.Host.Length > 0 && uri.Port > 0 && uri.PathAndQuery is "/" or "",
            _ => false,
        };
        if (isRight && uri.UserInfo.Length == 0 && uri.Fragment.Length == 0)
        {
            address = uri;
            return true;
        }
        return false;
    }

    public static bool IsTcp(string address) => address.StartsWith("tcp:", StringComparison.OrdinalIgnoreCase);
}
