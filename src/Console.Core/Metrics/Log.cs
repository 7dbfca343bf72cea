using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Metrics;

internal static partial class Log
{
    [LoggerMessage(LogLevel.Warning, "Job {Job}, {Replica}/{Attempt}: {Notice}")]
    public static partial void EventFiles(ILogger logger, long job, string replica, int attempt, string notice);

    [LoggerMessage(LogLevel.Information, "Job {Job}, {Replica}/{Attempt}: event files are read later: {Error}")]
    public static partial void EventFilesLater(ILogger logger, long job, string replica, int attempt, string error);

    [LoggerMessage(LogLevel.Information, "The use of container {Container} is read later: {Error}")]
    public static partial void SamplerLater(ILogger logger, string container, string error);

    [LoggerMessage(LogLevel.Information, "{Probe}: the host has no GPUs that can be used: {Error}")]
    public static partial void NoGpus(ILogger logger, string probe, string error);

    [LoggerMessage(LogLevel.Warning, "{Probe}: {Line}")]
    public static partial void ProbeComplains(ILogger logger, string probe, string line);

    [LoggerMessage(LogLevel.Warning, "{Probe} is tried again: {Error}")]
    public static partial void ProbeLater(ILogger logger, string probe, string error);
}
