using DeepLab.Core.Operations;

namespace DeepLab.Web.Wording;

public static class Outcomes
{
    /// <summary>What stood against it, as a sentence; null where it was done.</summary>
    /// <param name="gone">the sentence for a thing that is not there</param>
    public static string? Problem<T>(this Outcome<T> outcome, string gone) =>
        outcome switch
        {
            Outcome<T>.Conflict c => c.Message,
            Outcome<T>.NotFound => gone,
            Outcome<T>.Refused r => string.Join(" ", r.Errors.Select(e => e.Message)),
            _ => null,
        };
}
