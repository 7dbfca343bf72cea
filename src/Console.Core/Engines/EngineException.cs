namespace DeepLab.Core.Engines;

public enum EngineErrorKind
{
    NotFound,
    NameTaken,
    ImageNotFound,
    CommandNotFound,
    CommandNotExecutable,
    NoSuchDevice,
    DiskFull,

    /// <summary>A network is not there on this host, or not yet, or has no addresses.</summary>
    NetworkNotReady,

    /// <summary>A port of the host that it was to publish is taken.</summary>
    PortTaken,
    BadRequest,
    Conflict,
    Other,
}

public sealed class EngineException(EngineErrorKind kind, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public EngineErrorKind Kind { get; } = kind;
}

public sealed class EngineUnreachableException(string message, Exception? inner = null) : Exception(message, inner);
