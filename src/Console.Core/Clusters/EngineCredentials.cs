using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace DeepLab.Core.Clusters;

/// <summary>What the console proves itself with to a `tcp://` engine, and whom it believes there. All PEM.</summary>
/// <param name="Ca">the authority, or several, that signed the engine's certificate</param>
/// <param name="Certificate">the console's own, with what stands between it and the engine's authority</param>
/// <param name="Key">the console's private key, not encrypted</param>
public sealed record EngineCredentials(string Ca, string Certificate, string Key)
{
    /// <summary>Characters; a chain of several certificates has far fewer.</summary>
    public const int MaxLength = 64 << 10;
    private const string Purpose = "engine-credentials";

    public string Seal(SecretBox box) => box.Seal(Purpose, JsonSerializer.Serialize(this));

    /// <exception cref="SecretBoxException">It was sealed with another key, or is damaged.</exception>
    public static EngineCredentials Open(SecretBox box, string sealedText) =>
        JsonSerializer.Deserialize<EngineCredentials>(box.Open(Purpose, sealedText))!;

    /// <summary>What is wrong with them, by part: `ca`, `certificate`, `key`. Says nothing of what they hold.</summary>
    public IEnumerable<(string Part, string Message)> Check()
    {
        foreach (var (part, pem) in new[] { ("ca", Ca), ("certificate", Certificate) })
        {
            if (!IsRead(() => Certificates(pem).Count > 0))
            {
                yield return (part, "Certificates in PEM (-----BEGIN CERTIFICATE-----) are allowed, at most 64 KiB.");
            }
        }
        if (Key.Length > MaxLength || !Key.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            yield return ("key", "A private key in PEM (-----BEGIN PRIVATE KEY-----) is allowed, at most 64 KiB.");
        }
        else if (Key.Contains("ENCRYPTED", StringComparison.Ordinal))
        {
            yield return ("key", "The key is encrypted; a key without a passphrase is allowed. It is kept sealed.");
        }
        else if (IsRead(() => Certificates(Certificate).Count > 0) && !IsRead(HasKey))
        {
            yield return ("key", "The key that belongs to the certificate is allowed; this is another, or unreadable.");
        }
    }

    /// <summary>The console's certificate with its key.</summary>
    public X509Certificate2 LoadClient() => X509Certificate2.CreateFromPem(Certificate, Key);

    /// <exception cref="CryptographicException">No certificate.</exception>
    public static X509Certificate2Collection Certificates(string pem)
    {
        var found = new X509Certificate2Collection();
        if (pem.Length <= MaxLength)
        {
            found.ImportFromPem(pem);
        }
        return found;
    }

    /// <summary>A record would print its members, and the key with them.</summary>
    public override string ToString() => "engine credentials";

    private bool HasKey()
    {
        using var client = LoadClient();
        return client.HasPrivateKey;
    }

    private static bool IsRead(Func<bool> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
        }
    }
}
