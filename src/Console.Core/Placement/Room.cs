using System.Numerics;

namespace DeepLab.Core.Placement;

/// <summary>
/// Something of one host: what is free, or what is taken. Each bit of <paramref name="Gpus"/> is one GPU of the host, those
/// of the least memory lowest, so that the lowest bits are the smallest GPUs.
/// </summary>
/// <param name="Memory">bytes</param>
internal readonly record struct Room(double Cpus, long Memory, ulong Gpus)
{
    /// <summary>Sums of CPU shares are of doubles.</summary>
    public const double Epsilon = 1e-6;

    /// <summary>A host's GPUs are the bits of one word; the largest there are have 16 (112 slices).</summary>
    public const int MostGpus = 64;

    public int GpuCount => BitOperations.PopCount(Gpus);

    public Room Less(in Room taken) => new(Cpus - taken.Cpus, Memory - taken.Memory, Gpus & ~taken.Gpus);

    public Room With(in Room freed) => new(Cpus + freed.Cpus, Memory + freed.Memory, Gpus | freed.Gpus);

    /// <summary>The <paramref name="count"/> smallest GPUs of <paramref name="from"/>, which has as many.</summary>
    public static ulong Smallest(ulong from, int count)
    {
        var rest = from;
        for (var i = 0; i < count; i++)
        {
            rest &= rest - 1;
        }
        return from & ~rest;
    }
}
