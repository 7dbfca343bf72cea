using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace DeepLab.Core.Workloads;

/// <summary>Public keys as OpenSSH writes them: a type, base64, and a comment, on one line.</summary>
public static class SshKey
{
    /// <summary>Bytes of UTF-8.</summary>
    public const int LongestLine = 8 << 10;
    private const int LeastRsaBits = 2048;
    private const int LongestComment = 200;

    /// <summary>Type to the number of fields in its base64.</summary>
    private static readonly Dictionary<string, int> s_types = new(StringComparer.Ordinal)
    {
        ["ssh-ed25519"] = 2,
        ["ssh-rsa"] = 3,
        ["ecdsa-sha2-nistp256"] = 3,
        ["ecdsa-sha2-nistp384"] = 3,
        ["ecdsa-sha2-nistp521"] = 3,
        ["sk-ssh-ed25519@openssh.com"] = 3,
        ["sk-ecdsa-sha2-nistp256@openssh.com"] = 4,
    };

    /// <summary>Reads one line. Options before the type, as `authorized_keys` may have, are refused.</summary>
    /// <param name="key">in one form: `type base64 comment`</param>
    /// <param name="error">what is wrong, and what is allowed, as sentences</param>
    public static bool TryParse(
        string line,
        [NotNullWhen(true)] out string? key,
        [NotNullWhen(false)] out string? error
    )
    {
        key = null;
        error = Problem(line, out var parts);
        if (error is not null)
        {
            return false;
        }
        key = string.Join(' ', parts);
        return true;
    }

    private static string? Problem(string line, out string[] parts)
    {
        parts = line.Trim().Split(' ', 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (line.Trim().Any(char.IsControl))
        {
            return "The key holds a line break or another control character; one key, on one line, is allowed.";
        }
        if (line.Contains("PRIVATE KEY", StringComparison.Ordinal))
        {
            return "This is a private key, which nobody else should have; give the public one, the file that ends in .pub.";
        }
        if (parts.Length < 2 || !s_types.TryGetValue(parts[0], out var fields))
        {
            return $"This is no OpenSSH public key; a line that begins with {string.Join(", ", s_types.Keys)} is allowed, as in the file that ends in .pub.";
        }
        if (parts.Length == 3 && parts[2].Length > LongestComment)
        {
            return $"The key's comment has {parts[2].Length:N0} characters; at most {LongestComment} are allowed.";
        }
        var blob = new byte[parts[1].Length];
        if (
            !Convert.TryFromBase64String(parts[1], blob, out var length)
            || Fields(blob.AsSpan(0, length)) is not { } read
            || read.Count != fields
            || Encoding.ASCII.GetString(read[0]) != parts[0]
        )
        {
            return "The key is cut or damaged: its base64 does not hold a key of that type. Copy the whole line.";
        }
        return parts[0] switch
        {
            "ssh-ed25519" when read[1].Length != 32 => "The key is damaged: an Ed25519 key has 32 bytes.",
            "ssh-rsa" when Bits(read[2]) < LeastRsaBits =>
                $"The RSA key has {Bits(read[2])} bits; at least {LeastRsaBits} are allowed.",
            _ => null,
        };
    }

    /// <summary>Each a length of four bytes and so many bytes; null where they do not end where the blob does.</summary>
    private static List<byte[]>? Fields(ReadOnlySpan<byte> blob)
    {
        var fields = new List<byte[]>();
        while (!blob.IsEmpty)
        {
            if (blob.Length < 4)
            {
                return null;
            }
            var length = BinaryPrimitives.ReadUInt32BigEndian(blob);
            if (length > blob.Length - 4)
            {
                return null;
            }
            fields.Add(blob.Slice(4, (int)length).ToArray());
            blob = blob[(4 + (int)length)..];
        }
        return fields;
    }

    private static int Bits(ReadOnlySpan<byte> number)
    {
        var digits = number.TrimStart((byte)0);
        return digits.IsEmpty ? 0 : digits.Length * 8 - byte.LeadingZeroCount(digits[0]);
    }
}
