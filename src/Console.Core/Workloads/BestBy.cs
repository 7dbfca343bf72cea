namespace DeepLab.Core.Workloads;

public enum BestBy
{
    /// <summary>The least value of a curve counts, as of a loss.</summary>
    Least,

    /// <summary>The greatest, as of an accuracy.</summary>
    Greatest,
}

/// <summary>Which way is better.</summary>
public static class BestWay
{
    public const string Least = "least";
    public const string Greatest = "greatest";

    private static readonly string[] s_greater =
    [
        "acc",
        "auc",
        "bleu",
        "dice",
        "f1",
        "iou",
        "precision",
        "psnr",
        "recall",
        "return",
        "reward",
        "score",
        "throughput",
    ];

    /// <param name="word">`least` or `greatest`; else it is guessed from the metric's name</param>
    public static BestBy Of(string? word, string metric) =>
        word switch
        {
            Least => BestBy.Least,
            Greatest => BestBy.Greatest,
            _ => Guess(metric),
        };

    /// <summary>By the words in the metric's name; the least where none says otherwise.</summary>
    public static BestBy Guess(string metric) =>
        s_greater.Any(w => metric.Contains(w, StringComparison.OrdinalIgnoreCase)) ? BestBy.Greatest : BestBy.Least;
}
