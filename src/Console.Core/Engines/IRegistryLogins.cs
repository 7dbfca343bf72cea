namespace DeepLab.Core.Engines;

/// <summary>
/// What an engine is given for one pull: a user's name and password, which it shows the registry itself, or a token that the
/// console fetched, so that no engine ever carries a password to where a registry sends for tokens.
/// </summary>
public sealed record RegistryAccess(string? UserName, string? Password, string? Token)
{
    /// <summary>A record would print its members.</summary>
    public override string ToString() => "registry access";
}

/// <summary>Knows what opens registries.</summary>
public interface IRegistryLogins
{
    /// <summary>Null where nothing was entered for the reference's own registry, or it asks for nothing.</summary>
    /// <exception cref="EngineException">The registry would have what opens it shown elsewhere, or does not answer.</exception>
    Task<RegistryAccess?> ForAsync(string reference, CancellationToken ct);
}
