namespace DeepLab.Core.Workloads;

/// <summary>Kinds of the events that tell a job of the network between its hosts.</summary>
public static class PairEvents
{
    public const string Measured = "pairs-measured";
    public const string NotMeasured = "pairs-unmeasured";
    public const string Slow = "pair-slow";
}
