using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace DeepLab.Core.Engines;

/// <summary>A network of one host.</summary>
/// <param name="Bridge">name of its interface, by which rules know it: at most 15 characters</param>
public sealed record BridgePlan(string Name, string Bridge, IReadOnlyDictionary<string, string> Labels)
{
    /// <summary>Its containers cannot reach each other.</summary>
    public required bool IsApart { get; init; }

    /// <summary>Where its addresses are from; null = from the engine's own pools, of which there are about thirty.</summary>
    public SubnetChoice? Subnet { get; init; }
}

/// <summary>One of the equal parts of a range of IPv4 addresses that no other network of the engine has.</summary>
/// <param name="PrefixLength">of the part: 28 is sixteen addresses</param>
public sealed record SubnetChoice(IPNetwork Range, int PrefixLength)
{
    /// <summary>What is no container's: the network's own address, the host's, and the one for all.</summary>
    private const int Reserved = 3;
    private const int Smallest = 28;

    /// <summary>The smallest that this many containers have room in.</summary>
    public static SubnetChoice For(int containers, IPNetwork range)
    {
        var prefix = Smallest;
        while (prefix > range.PrefixLength && (1L << (32 - prefix)) < containers + Reserved)
        {
            prefix--;
        }
        return new SubnetChoice(range, prefix);
    }

    /// <summary>Null where all are taken.</summary>
    /// <param name="name">engines that share a machine look from different places on, so that they seldom meet</param>
    public IPNetwork? Find(string name, IEnumerable<IPNetwork> taken)
    {
        var spans = taken
            .Where(t => t.BaseAddress.AddressFamily == AddressFamily.InterNetwork)
            .Select(t => (First: Number(t.BaseAddress), Last: Number(t.BaseAddress) + Size(t.PrefixLength) - 1))
            .ToList();
        var (start, size) = (Number(Range.BaseAddress), Size(PrefixLength));
        var parts = Size(Range.PrefixLength) / size;
        var seed = name.Aggregate(17L, (sum, c) => unchecked(sum * 31 + c) & int.MaxValue);
        for (var n = 0L; n < parts; n++)
        {
            var first = start + (seed + n) % parts * size;
            if (!spans.Any(s => s.First < first + size && first <= s.Last))
            {
                return new IPNetwork(Address(first), PrefixLength);
            }
        }
        return null;
    }

    private static long Size(int prefixLength) => 1L << (32 - prefixLength);

    private static long Number(IPAddress address) => BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes());

    private static IPAddress Address(long number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)number);
        return new IPAddress(bytes);
    }
}
