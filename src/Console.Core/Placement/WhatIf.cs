namespace DeepLab.Core.Placement;

/// <param name="Field">path in the spec</param>
public sealed record SmallestChange(string Field, string Sentence, JobRequest Changed);

public static class WhatIf
{
    public static SmallestChange? SmallestChange(
        FleetSnapshot fleet,
        IReadOnlyList<JobRequest> queue,
        JobRequest job,
        DateTimeOffset now
    ) => null;
}
