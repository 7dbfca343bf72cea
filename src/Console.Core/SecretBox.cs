using System.Security.Cryptography;
using System.Text;

namespace DeepLab.Core;

/// <summary>What was kept cannot be read: another key sealed it, or it was altered.</summary>
public sealed class SecretBoxException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Seals what the database must not hold in plain: AES-256-GCM under a key that stands in a file of its own, so that a copy
/// of the database alone tells nothing. Consoles that share a database share the file.
/// </summary>
public sealed class SecretBox
{
    private const string Version = "v1:";
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private readonly byte[] _key;

    /// <summary>Reads the key, and makes one where there is none yet.</summary>
    /// <exception cref="InvalidOperationException">The file holds no key.</exception>
    public SecretBox(ConsoleOptions options)
        : this(options.SecretKeyFile ?? Path.Combine(options.DataFolder, "secrets.key")) { }

    public SecretBox(string keyFile)
    {
        if (!File.Exists(keyFile))
        {
            Make(keyFile);
        }
        Span<byte> key = stackalloc byte[KeyBytes];
        if (!Convert.TryFromBase64String(File.ReadAllText(keyFile).Trim(), key, out var length) || length != KeyBytes)
        {
            throw new InvalidOperationException(
                $"{keyFile} holds no key; {KeyBytes} bytes in base64 are allowed. Without the right one the credentials of hosts cannot be read."
            );
        }
        _key = key.ToArray();
    }

    /// <param name="purpose">what it is: sealed text opens only for the same purpose</param>
    public string Seal(string purpose, string text)
    {
        var plain = Encoding.UTF8.GetBytes(text);
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        var nonce = box.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(_key, TagBytes);
        aes.Encrypt(
            nonce,
            plain,
            box.AsSpan(NonceBytes + TagBytes),
            box.AsSpan(NonceBytes, TagBytes),
            Encoding.UTF8.GetBytes(purpose)
        );
        return Version + Convert.ToBase64String(box);
    }

    /// <exception cref="SecretBoxException">It was sealed with another key or for another purpose, or is damaged.</exception>
    public string Open(string purpose, string sealedText)
    {
        try
        {
            if (!sealedText.StartsWith(Version, StringComparison.Ordinal))
            {
                throw new FormatException("The text was not sealed by this console.");
            }
            var box = Convert.FromBase64String(sealedText[Version.Length..]);
            if (box.Length < NonceBytes + TagBytes)
            {
                throw new FormatException("The text is cut.");
            }
            var plain = new byte[box.Length - NonceBytes - TagBytes];
            using var aes = new AesGcm(_key, TagBytes);
            aes.Decrypt(
                box.AsSpan(0, NonceBytes),
                box.AsSpan(NonceBytes + TagBytes),
                box.AsSpan(NonceBytes, TagBytes),
                plain,
                Encoding.UTF8.GetBytes(purpose)
            );
            return Encoding.UTF8.GetString(plain);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            throw new SecretBoxException(
                "The kept credentials cannot be read: they were sealed with another key, or are damaged.",
                e
            );
        }
    }

    /// <summary>Written aside and moved, so that of consoles that start at once all take the one key that came first.</summary>
    private static void Make(string keyFile)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(keyFile))!);
        var aside = $"{keyFile}.{Guid.NewGuid():N}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        using (var file = new FileStream(aside, options))
        {
            file.Write(
                Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes)) + "\n")
            );
            file.Flush(flushToDisk: true);
        }
        try
        {
            File.Move(aside, keyFile, overwrite: false);
        }
        catch (IOException) when (File.Exists(keyFile))
        {
            File.Delete(aside);
        }
    }
}
