namespace DeepLab.Core.Tenancy;

/// <summary>
/// A way, once and soon, from the console to one endpoint at the gateway's origin. Only its hash is kept; who uses it takes the row.
/// </summary>
public sealed class GatewayCode
{
    /// <summary>SHA-256 of the code, 32 bytes.</summary>
    public required byte[] Hash { get; set; }
    public long WorkloadId { get; set; }
    public required string Endpoint { get; set; }

    /// <summary>The session or token that asked for it: access through the gateway ends with it.</summary>
    public Guid TokenId { get; set; }
    public required string SecurityStamp { get; set; }

    /// <summary>`https://lab.example`: the console that was asked, to link back to.</summary>
    public required string Console { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }
}
