using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DeepLab.Core.Volumes;

/// <summary>A name under which versions of data are kept apart, whose files lie on volumes of the lab.</summary>
public sealed class Dataset
{
    public Guid Id { get; set; }
    public required string Name { get; set; }
    public string Description { get; set; } = "";
    public Guid OwnerId { get; set; }
    public required string OwnerName { get; set; }

    /// <summary>Beside its owner and admins only this team sees and mounts it; null = everyone.</summary>
    public Guid? TeamId { get; set; }

    /// <summary>The greatest number of a version that was deleted; 0 = none was. It does not come again.</summary>
    public int LastDeleted { get; set; }
    public DateTimeOffset CreatedAt { get; set; }
}

public enum DatasetState
{
    /// <summary>Its job has not ended, or its list is being read.</summary>
    Making,
    Ready,
    Failed,
}

/// <summary>What a folder of a volume held when a job looked: once it is ready nothing of it changes any more.</summary>
public sealed class DatasetVersion
{
    public Guid DatasetId { get; set; }

    /// <summary>From 1 within the dataset.</summary>
    public int Number { get; set; }
    public required string Volume { get; set; }

    /// <summary>Below the volume, `images/2024`; empty = all of the volume.</summary>
    public string Folder { get; set; } = "";
    public DatasetState State { get; set; }

    /// <summary>Why it failed, as a sentence; empty where it did not.</summary>
    public string Message { get; set; } = "";

    /// <summary>The job that makes, or made, it.</summary>
    public long WorkloadId { get; set; }
    public required string MadeBy { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When it became ready, or failed.</summary>
    public DateTimeOffset? MadeAt { get; set; }
    public long Files { get; set; }
    public long Bytes { get; set; }

    /// <summary>`sha256:…` of the whole list, see <see cref="DatasetManifest"/>; null before it is ready.</summary>
    public string? Digest { get; set; }

    /// <summary>The first <see cref="DatasetManifest.MostKept"/> files, packed; null before it is ready.</summary>
    public byte[]? Manifest { get; set; }

    /// <summary>Null = it is one whole.</summary>
    public DatasetSplit? Split { get; set; }

    /// <summary>Null before it is ready, and without a split.</summary>
    public DatasetParts? Parts { get; set; }
}

public enum DatasetPart
{
    Train,
    Validation,
    Test,
}

/// <summary>Files of each part.</summary>
public sealed record DatasetParts(int Train, int Validation, int Test);

/// <summary>How the files of a version are divided: by a hash of seed and path, so that a file that comes moves no other.</summary>
/// <param name="Train">percent of the files, as are the others; the three are 100</param>
public sealed record DatasetSplit(int Seed, int Train, int Validation, int Test)
{
    /// <summary>
    /// The first 32 bits of SHA-256 of `seed/path` in UTF-8, as a part of a hundred: below <see cref="Train"/> is train, from there on below
    /// Train + Validation is validation, the rest is test.
    /// </summary>
    /// <param name="path">below the version's folder, with '/' between its parts</param>
    public DatasetPart PartOf(string path)
    {
        var text = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Seed}/{path}");
        var hash = BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        var place = (int)((hash * 100UL) >> 32);
        return place < Train ? DatasetPart.Train
            : place < Train + Validation ? DatasetPart.Validation
            : DatasetPart.Test;
    }

    public DatasetParts Count(IEnumerable<DatasetFile> files)
    {
        var counts = files.CountBy(f => PartOf(f.Path)).ToDictionary();
        return new DatasetParts(
            counts.GetValueOrDefault(DatasetPart.Train),
            counts.GetValueOrDefault(DatasetPart.Validation),
            counts.GetValueOrDefault(DatasetPart.Test)
        );
    }
}

/// <summary>Which folders of a volume may be a dataset's. Pure.</summary>
public static class DatasetFolders
{
    public const int Longest = 255;

    /// <summary>Why it may not, as a sentence; null where it may. Empty is the whole volume.</summary>
    public static string? WhyNot(string folder) =>
        folder.Length == 0
        || (
            folder.Length <= Longest
            && folder.All(c => !char.IsControl(c) && c != '\\')
            && folder.Split('/').All(part => part is not ("" or "." or ".."))
        )
            ? null
            : $"A path below the volume of at most {Longest} characters is allowed, such as \"images/2024\", without \".\", \"..\", empty parts and '\\'; none means the whole volume.";
}
