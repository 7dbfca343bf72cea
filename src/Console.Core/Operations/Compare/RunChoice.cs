using System.Globalization;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Compare;

/// <summary>Which runs are compared, as an address has them: `1,2,3`.</summary>
public static class RunChoice
{
    public const int Fewest = 2;
    public const int Most = 10;

    /// <summary>In the order as written, which is the order in which they are shown.</summary>
    public static (IReadOnlyList<long> Ids, IReadOnlyList<SpecError> Errors) Read(string? text)
    {
        const string field = "ids";
        var words = (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var ids = new List<long>();
        var errors = new List<SpecError>();
        foreach (var word in words.Take(Most + 1))
        {
            if (!long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                errors.Add(new SpecError(field, $"\"{Short(word)}\" is no number of a job."));
            }
            else if (ids.Contains(id))
            {
                errors.Add(new SpecError(field, $"Job {id} is named twice."));
            }
            else
            {
                ids.Add(id);
            }
        }
        if (words.Length is < Fewest or > Most)
        {
            errors.Add(
                new SpecError(field, $"These are {words.Length} jobs; {Fewest} to {Most} are compared, as in ids=1,2.")
            );
        }
        return (ids, errors);
    }

    private static string Short(string word) => word.Length <= 20 ? word : word[..20] + "…";
}
