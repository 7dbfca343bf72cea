using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.History;

/// <summary>What of a run a term of a search is about.</summary>
public enum SearchField
{
    /// <summary>A bare word: a part of the name, or the number.</summary>
    Any,
    Name,
    Id,
    Owner,
    Team,
    State,
    Reason,
    Image,
    Command,
    Label,
    Gpu,
    Gpus,
    Host,
    Note,
    Submitted,
    Started,
    Ended,
    Pinned,
    Origin,
    Metric,
}

/// <summary>One condition that a run has to meet; every term of a search has to be met.</summary>
/// <param name="Not">it is met where the rest of it is not</param>
public sealed record SearchTerm(SearchField Field, bool Not)
{
    /// <summary>Texts of which one is enough.</summary>
    public IReadOnlyList<string> Texts { get; init; } = [];
    public IReadOnlyList<WorkloadState> States { get; init; } = [];
    public IReadOnlyList<Reason> Reasons { get; init; } = [];

    /// <summary>Of numbers: both ends included, null = open.</summary>
    public (long? From, long? To) Numbers { get; init; }

    /// <summary>Of times: from included, to not, null = open.</summary>
    public (DateTimeOffset? From, DateTimeOffset? To) Times { get; init; }
    public bool Flag { get; init; }

    /// <summary>Of values of the metric that <see cref="Texts"/> names, at any time of the run.</summary>
    public MetricBound? Bound { get; init; }
}

/// <param name="Above">there was a greater value; else there was a lesser</param>
/// <param name="OrEqual">or one that is the same</param>
public sealed record MetricBound(bool Above, bool OrEqual, double Value);

/// <summary>What reading a search gave.</summary>
/// <param name="Errors">each says at which character its term begins; where there are any, nothing is to be searched</param>
public sealed record SearchReading(IReadOnlyList<SearchTerm> Terms, IReadOnlyList<SpecError> Errors);
