using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Streams;

internal static partial class Log
{
    [LoggerMessage(LogLevel.Warning, "Log of attempt {AttemptId}: {Sentence}")]
    public static partial void Gap(ILogger logger, long attemptId, string sentence);

    [LoggerMessage(LogLevel.Warning, "Log of attempt {AttemptId}: {Bytes} bytes could not be stored; trying again")]
    public static partial void StoreFails(ILogger logger, long attemptId, int bytes, Exception e);

    [LoggerMessage(LogLevel.Debug, "Log of attempt {AttemptId}: the store is slow, {Bytes} bytes wait")]
    public static partial void StoreIsSlow(ILogger logger, long attemptId, int bytes);

    [LoggerMessage(LogLevel.Information, "Log of attempt {AttemptId}: closed before the last lines were stored")]
    public static partial void ClosedEarly(ILogger logger, long attemptId, Exception e);

    [LoggerMessage(LogLevel.Information, "Log of attempt {AttemptId}: the engine is away ({Reason})")]
    public static partial void EngineAway(ILogger logger, long attemptId, string reason);

    [LoggerMessage(LogLevel.Debug, "Log of attempt {AttemptId}: {Lines} lines, complete")]
    public static partial void Complete(ILogger logger, long attemptId, long lines);
}
