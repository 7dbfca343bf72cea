using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Images;

/// <summary>Checks what is said of images, and gathers everything that is wrong with it.</summary>
internal static class ImageInputs
{
    private const int LongestText = 80;
    private const int LongestDescription = 500;
    private const int MostFeatures = 20;
    private const int LongestDockerfile = 64 << 10;

    public static List<SpecError> Check(ImageInput wanted)
    {
        var errors = new List<SpecError>();
        Name(errors, wanted.Name);
        if (!ImageReference.TryParse(wanted.Reference ?? "", out _, out var why))
        {
            errors.Add(new SpecError("reference", why));
        }
        else if (MadeImages.IsMade(wanted.Reference!))
        {
            errors.Add(
                new SpecError("reference", "References below \"deeplab-made/\" are those of images that are made here.")
            );
        }
        if (string.IsNullOrWhiteSpace(wanted.Framework))
        {
            errors.Add(new SpecError("framework", "A name is wanted, such as \"PyTorch\"."));
        }
        Texts(errors, wanted.Framework, wanted.FrameworkVersion, wanted.Python, wanted.Cuda, wanted.Description);
        Features(errors, wanted.Features);
        return errors;
    }

    public static List<SpecError> Check(SnapshotInput wanted)
    {
        var errors = new List<SpecError>();
        MadeName(errors, wanted.Name);
        Version(errors, "version", wanted.Version);
        Text(errors, "description", wanted.Description, LongestDescription);
        return errors;
    }

    public static List<SpecError> Check(BuildInput wanted)
    {
        var errors = new List<SpecError>();
        MadeName(errors, wanted.Name);
        Version(errors, "frameworkVersion", wanted.FrameworkVersion);
        Texts(errors, wanted.Framework, "", wanted.Python, wanted.Cuda, wanted.Description);
        Features(errors, wanted.Features);
        if (string.IsNullOrWhiteSpace(wanted.Dockerfile) || wanted.Dockerfile.Length > LongestDockerfile)
        {
            errors.Add(
                new SpecError(
                    "dockerfile",
                    $"The text of a Dockerfile is wanted, at most {LongestDockerfile:N0} characters."
                )
            );
        }
        return errors;
    }

    private static void MadeName(List<SpecError> errors, string? name)
    {
        if (name is null || !MadeImages.IsName(name) || IsId(name))
        {
            errors.Add(
                new SpecError(
                    "name",
                    "1 to 63 small letters and digits are allowed, with single '-', '_' or '.' between them, and not hexadecimal digits alone."
                )
            );
        }
    }

    private static void Name(List<SpecError> errors, string? name)
    {
        if (name is null || !FleetInput.IsName(name) || IsId(name))
        {
            errors.Add(
                new SpecError(
                    "name",
                    "1 to 63 small letters, digits, '-', '_' and '.' are allowed, a letter or digit first, and not hexadecimal digits alone."
                )
            );
        }
    }

    /// <summary>Engines would take it for the beginning of an id; specs may not say so.</summary>
    private static bool IsId(string name) => name.All(char.IsAsciiHexDigitLower);

    private static void Version(List<SpecError> errors, string path, string? version)
    {
        if (version is null || !MadeImages.IsVersion(version))
        {
            errors.Add(
                new SpecError(path, "Up to 32 letters, digits, '.', '_' and '-' are allowed, a letter or digit first.")
            );
        }
    }

    private static void Texts(
        List<SpecError> errors,
        string? framework,
        string? version,
        string? python,
        string? cuda,
        string? description
    )
    {
        Text(errors, "framework", framework, LongestText);
        Text(errors, "frameworkVersion", version, LongestText);
        Text(errors, "python", python, LongestText);
        Text(errors, "cuda", cuda, LongestText);
        Text(errors, "description", description, LongestDescription);
    }

    private static void Text(List<SpecError> errors, string path, string? text, int longest)
    {
        if (text?.Length > longest || text?.Any(char.IsControl) == true)
        {
            errors.Add(
                new SpecError(
                    path,
                    $"A text of at most {longest} characters is allowed, none of them a control character."
                )
            );
        }
    }

    private static void Features(List<SpecError> errors, IReadOnlyList<string>? features)
    {
        if (features?.Count > MostFeatures)
        {
            errors.Add(new SpecError("features", $"At most {MostFeatures} are allowed."));
        }
        foreach (var (feature, i) in (features ?? []).Take(MostFeatures).Select((f, i) => (f, i)))
        {
            if (feature is null || !FleetInput.IsName(feature))
            {
                errors.Add(
                    new SpecError(
                        $"features[{i}]",
                        "A word of small letters and digits is allowed, such as \"jupyter\", \"tensorboard\" or \"ssh\"."
                    )
                );
            }
        }
    }
}
