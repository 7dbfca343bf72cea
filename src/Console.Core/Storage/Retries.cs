using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using Npgsql.EntityFrameworkCore.PostgreSQL;

namespace DeepLab.Core.Storage;

/// <summary>
/// Which failed transactions are run again before anybody is told: one that another was in the way of, soon and often; one that
/// lost its connection, twice; one that waited its whole patience, not at all, since who asked has waited as long.
/// </summary>
internal sealed class Retries(ExecutionStrategyDependencies dependencies)
    : NpgsqlRetryingExecutionStrategy(dependencies, MostConflicts, s_longest, ["40001", "40P01"])
{
    private const int MostConflicts = 10;
    private const int MostLosses = 2;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    protected override bool ShouldRetryOn(Exception? exception) =>
        base.ShouldRetryOn(exception) && exception is not { InnerException: TimeoutException };

    protected override TimeSpan? GetNextDelay(Exception lastException) =>
        IsConflict(lastException)
            // Apart from each other, or they meet again
            ? ExceptionsEncountered.Count <= MostConflicts
                ? TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20 * ExceptionsEncountered.Count))
                : null
            : ExceptionsEncountered.Count(e => !IsConflict(e)) <= MostLosses
                ? base.GetNextDelay(lastException)
                : null;

    private static bool IsConflict(Exception e) =>
        e is PostgresException { SqlState: "40001" or "40P01" } || (e.InnerException is { } inner && IsConflict(inner));
}
