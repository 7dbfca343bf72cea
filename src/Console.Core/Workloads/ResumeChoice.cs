namespace DeepLab.Core.Workloads;

/// <summary>An earlier attempt at a replica, as far as it tells whether a checkpoint can be resumed from.</summary>
/// <param name="ResumedFrom">path of the checkpoint it began with; null = none</param>
public sealed record PastAttempt(int Number, string? ResumedFrom, Reason Reason, int? ExitCode);

/// <param name="WrittenIn">number of the attempt during which it was written last</param>
public sealed record ResumeCandidate(string Path, long? Step, DateTimeOffset WrittenAt, int WrittenIn);

/// <summary>Where a new round of attempts goes on.</summary>
/// <param name="From">null = it starts from the beginning</param>
/// <param name="PassedOver">newer ones that were given up, newest first</param>
/// <param name="IsHopeless">there are checkpoints, and each of them was given up</param>
public sealed record ResumeChoice(
    ResumeCandidate? From,
    IReadOnlyList<ResumeCandidate> PassedOver,
    bool IsHopeless = false
)
{
    /// <summary>Rounds that began with a checkpoint and failed before they wrote another one: then it is given up.</summary>
    public const int MostTries = 2;

    private const int Sigkill = 137;

    /// <summary>The newest that is not given up. What comes from outside, as a kill or a lost host, speaks against no checkpoint.</summary>
    /// <param name="complete">the complete ones that the new attempt will see, in any order</param>
    /// <param name="past">attempts of all replicas</param>
    public static ResumeChoice Make(IEnumerable<ResumeCandidate> complete, IReadOnlyCollection<PastAttempt> past)
    {
        var newestFirst = complete.ToList();
        newestFirst.Sort((a, b) => CheckpointLayouts.Compare(Key(b), Key(a)));
        var passed = new List<ResumeCandidate>();
        foreach (var candidate in newestFirst)
        {
            if (Failures(candidate, past, newestFirst) < MostTries)
            {
                return new ResumeChoice(candidate, passed);
            }
            passed.Add(candidate);
        }
        return new ResumeChoice(null, passed, IsHopeless: passed.Count > 0);
    }

    private static int Failures(
        ResumeCandidate candidate,
        IReadOnlyCollection<PastAttempt> past,
        List<ResumeCandidate> all
    ) =>
        past.Where(a =>
                a.ResumedFrom == candidate.Path
                && a.Number > candidate.WrittenIn
                && a.Reason is (Reason.ExitedNonZero or Reason.OutOfMemory or Reason.KilledBySignal)
                && a.ExitCode != Sigkill
                && !all.Exists(c => c.WrittenIn == a.Number)
            )
            .Select(a => a.Number)
            .Distinct()
            .Count();

    private static (long?, DateTimeOffset, string) Key(ResumeCandidate c) => (c.Step, c.WrittenAt, c.Path);
}
