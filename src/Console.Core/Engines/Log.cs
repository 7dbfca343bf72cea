using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Engines;

internal static partial class Log
{
    [LoggerMessage(LogLevel.Information, "Engine {Address} is Docker {Version}; speaking API {Api}")]
    public static partial void Connected(ILogger logger, Uri address, string version, string api);
}
