namespace DeepLab.Core.Tenancy;

public enum UserRole
{
    Member,
    Admin,
}

/// <summary>A person who signs in. The password hash is opaque to this room: the doors make and check it.</summary>
public sealed class User
{
    public Guid Id { get; set; }
    public required string UserName { get; set; }
    public required string PasswordHash { get; set; }
    public UserRole Role { get; set; }

    /// <summary>Changes with the password and with the role; a session that carries another stamp is over.</summary>
    public required string SecurityStamp { get; set; }
    public bool Disabled { get; set; }

    /// <summary>The most this user's workloads hold at one time, whatever the team's quota.</summary>
    public Quota Quota { get; set; } = Quota.None;

    /// <summary>OpenSSH public keys, one line each: whoever has one of them may enter the user's environments by SSH.</summary>
    public string[] SshKeys { get; set; } = [];
    public DateTimeOffset CreatedAt { get; set; }
}

/// <summary>
/// A program's credential. Only the SHA-256 of the secret is kept; <see cref="Prefix"/> is its first
/// characters, shown in lists so that a person can tell tokens apart.
/// </summary>
public sealed class ApiToken
{
    public Guid Id { get; set; }
    public Guid UserId { get; set; }
    public required string Name { get; set; }
    public required string Prefix { get; set; }

    /// <summary>SHA-256 of the whole token, 32 bytes.</summary>
    public required byte[] Hash { get; set; }
    public required string[] Scopes { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }
    public DateTimeOffset? LastUsedAt { get; set; }
    public DateTimeOffset? RevokedAt { get; set; }
}

/// <summary>Scopes a token may carry. A cookie session carries all of its user's.</summary>
public static class Scopes
{
    public const string JobsRead = "jobs:read";
    public const string JobsWrite = "jobs:write";
    public const string ClustersRead = "clusters:read";
    public const string Admin = "admin";

    public static IReadOnlyList<string> All { get; } = [JobsRead, JobsWrite, ClustersRead, Admin];
}

/// <summary>Who asks. Every verb and every query takes one: members see and change only what they own.</summary>
public sealed record Actor(Guid UserId, string UserName, UserRole Role)
{
    public bool IsAdmin => Role == UserRole.Admin;
}
