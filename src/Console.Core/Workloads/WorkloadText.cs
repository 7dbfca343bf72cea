namespace DeepLab.Core.Workloads;

/// <summary>
/// What of a workload's spec the history is searched by. A row of its own, that is written once: its index is dear, and the
/// workload's row changes all the time.
/// </summary>
public sealed class WorkloadText
{
    /// <summary>Characters of the commands: what stands behind them is not found.</summary>
    public const int Longest = 4000;
    public long WorkloadId { get; set; }

    /// <summary>As the spec has them: its images, each once.</summary>
    public required string Image { get; set; }

    /// <summary>The commands of all roles, as one would type them but for the quotes, each once.</summary>
    public required string Command { get; set; }

    public static WorkloadText Of(long id, JobSpec spec)
    {
        var text = string.Join(" ; ", spec.Roles.Select(r => string.Join(' ', r.Command)).Distinct());
        if (text.Length > Longest)
        {
            // Half a character is none
            text = text[..(char.IsHighSurrogate(text[Longest - 1]) ? Longest - 1 : Longest)];
        }
        return new WorkloadText
        {
            WorkloadId = id,
            Image = string.Join(" ; ", spec.NamedImages().Select(n => n.Image)),
            // PostgreSQL keeps none
            Command = text.Replace('\0', ' '),
        };
    }
}
