using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>The environment of a spec, and the names that are the console's own.</summary>
public static partial class SpecEnv
{
    public const int MaxEntries = 1000;
    internal static ImmutableSortedDictionary<string, string> None { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Bytes of UTF-8 of one value.</summary>
    public const int MaxValueBytes = 32 << 10;

    /// <summary>Bytes of UTF-8 of all names and values.</summary>
    public const int MaxTotalBytes = 256 << 10;

    /// <summary>
    /// Why a user may not set a variable; null where they may. The loader's variables are refused because the engine's
    /// GPU hook runs on the host with the container's environment.
    /// </summary>
    public static string? WhyReserved(string name) =>
        name switch
        {
            "NVIDIA_VISIBLE_DEVICES"
            or "NVIDIA_DRIVER_CAPABILITIES"
            or "NVIDIA_IMEX_CHANNELS"
            or "CUDA_VISIBLE_DEVICES" => "the console sets it from the GPUs of the lease",
            "LD_PRELOAD" or "LD_AUDIT" => "the engine's GPU hook would obey it on the host",
            "MASTER_ADDR"
            or "MASTER_PORT"
            or "WORLD_SIZE"
            or "RANK"
            or "LOCAL_RANK"
            or "LOCAL_WORLD_SIZE"
            or "TF_CONFIG"
            or "PET_NNODES"
            or "PET_NODE_RANK"
            or "PET_NPROC_PER_NODE"
            or "PET_MASTER_ADDR"
            or "PET_MASTER_PORT"
            or "PET_RDZV_BACKEND"
            or "PET_RDZV_ENDPOINT"
            or "PET_RDZV_ID"
            or "PET_LOCAL_ADDR" => "the console sets it from the replicas",
            _ when name.StartsWith("NVIDIA_MIG_", StringComparison.Ordinal) =>
                "the console sets it from the GPUs of the lease",
            _ when name.StartsWith("DEEPLAB_", StringComparison.Ordinal) =>
                "names that begin with DEEPLAB_ are the console's",
            _ => null,
        };

    internal static ImmutableSortedDictionary<string, string> Read(SpecNode? node)
    {
        var none = None;
        if (node is not { } given)
        {
            return none;
        }
        if (given.Value.ValueKind != JsonValueKind.Object)
        {
            given.Fail(
                $"This is {given.Kind}; an object of names and texts is allowed, such as {{ \"EPOCHS\": \"5\" }}."
            );
            return none;
        }
        var properties = given.Properties();
        if (properties.Count > MaxEntries)
        {
            given.Fail($"There are {properties.Count:N0} variables; at most {MaxEntries:N0} are allowed.");
            return none;
        }
        var read = none.ToBuilder();
        var bytes = 0L;
        foreach (var (name, value) in properties)
        {
            if (!NamePattern().IsMatch(name))
            {
                value.Fail(
                    $"The name is {SpecText.Quote(name)}; 1 to 256 letters, digits and '_' are allowed, not beginning with a digit."
                );
            }
            else if (WhyReserved(name) is { } why)
            {
                value.Fail($"{name} is reserved: {why}.");
            }
            if (value.Value.ValueKind is JsonValueKind.Number)
            {
                value.Fail(
                    $"This is a number; text is allowed, such as \"{SpecText.Quote(value.Value.GetRawText()).Trim('"')}\"."
                );
            }
            else if (value.Text(MaxValueBytes) is { } text)
            {
                bytes += Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(text);
                read[name] = text;
            }
        }
        if (bytes > MaxTotalBytes)
        {
            given.Fail($"Names and values have {bytes:N0} bytes together; at most {MaxTotalBytes:N0} are allowed.");
        }
        return read.ToImmutable();
    }

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]{0,255}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();
}
