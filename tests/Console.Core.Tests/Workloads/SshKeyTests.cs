using System.Buffers.Binary;
using System.Text;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SshKeyTests
{
    /// <summary>Thirty-two zeros for a key.</summary>
    internal const string Ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    private static string Key(string type, params byte[][] fields)
    {
        var blob = new MemoryStream();
        foreach (var field in fields.Prepend(Encoding.ASCII.GetBytes(type)))
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, field.Length);
            blob.Write(length);
            blob.Write(field);
        }
        return $"{type} {Convert.ToBase64String(blob.ToArray())}";
    }

    private static byte[] Number(int bits)
    {
        // As OpenSSH writes it: a zero before a number whose first bit is set
        var digits = new byte[bits / 8 + 1];
        digits[1] = 0x80;
        return digits;
    }

    [Fact]
    public void Keys_of_the_kinds_in_use_are_taken()
    {
        foreach (
            var line in (string[])
                [
                    Ed25519,
                    Key("ssh-rsa", [1, 0, 1], Number(2048)),
                    Key("ecdsa-sha2-nistp256", "nistp256"u8.ToArray(), new byte[65]),
                    Key("sk-ssh-ed25519@openssh.com", new byte[32], "ssh:"u8.ToArray()),
                ]
        )
        {
            Assert.True(SshKey.TryParse($"  {line}   me at home \n", out var key, out var error), error);
            Assert.Equal($"{line} me at home", key);
        }
    }

    [Theory]
    [InlineData("", "no OpenSSH public key")]
    [InlineData("ssh-dss AAAA", "no OpenSSH public key")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----", "private key")]
    [InlineData("command=\"id\" " + Ed25519, "no OpenSSH public key")]
    [InlineData(Ed25519 + "\n" + Ed25519, "one key, on one line")]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA", "cut or damaged")]
    [InlineData("ssh-ed25519 ====", "cut or damaged")]
    [InlineData("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "cut or damaged")]
    public void Anything_else_is_refused_with_what_is_allowed(string line, string part)
    {
        Assert.False(SshKey.TryParse(line, out _, out var error));
        Assert.Contains(part, error);
    }

    [Fact]
    public void A_short_rsa_key_is_refused()
    {
        Assert.False(SshKey.TryParse(Key("ssh-rsa", [1, 0, 1], Number(1024)), out _, out var error));
        Assert.Contains("1024 bits", error);
    }
}
