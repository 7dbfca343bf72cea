using Microsoft.Extensions.Logging;

namespace DeepLab.Engine.Tests.Model;

/// <summary>Keeps the last lines that any console of a lab logged, with the lab's time.</summary>
internal sealed class RecentLog(TimeProvider time, int keep = 400) : ILoggerProvider
{
    private readonly Queue<string> _lines = new();

    public void Add(string line)
    {
        lock (_lines)
        {
            _lines.Enqueue($"{time.GetUtcNow():mm:ss.fff} {line}");
            if (_lines.Count > keep)
            {
                _lines.Dequeue();
            }
        }
    }

    public override string ToString()
    {
        lock (_lines)
        {
            return string.Join(Environment.NewLine, _lines);
        }
    }

    public ILogger CreateLogger(string categoryName) =>
        new Writer(this, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    public void Dispose() { }

    private sealed class Writer(RecentLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        ) =>
            log.Add(
                $"{logLevel.ToString()[..4]} {name}: {formatter(state, exception)}"
                    + (exception is null ? "" : $"{Environment.NewLine}{exception}")
            );
    }
}
