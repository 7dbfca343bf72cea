using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;
using Npgsql.EntityFrameworkCore.PostgreSQL;

namespace DeepLab.Core.Storage;

/// <summary>
/// Which failed transactions are run again before anybody is told: one that another was in the way of, soon and often; one that
/// lost its connection, twice; one that waited its whole patience, not at all, since who asked has waited as long. One that met a
/// connection whose prepared statements are not those that its client knows, soon, on another.
/// </summary>
/// <param name="database">whose connections the transactions use</param>
internal sealed class Retries(ExecutionStrategyDependencies dependencies, NpgsqlDataSource database)
    : NpgsqlRetryingExecutionStrategy(dependencies, MostConflicts, s_longest, ["40001", "40P01"])
{
    private const int MostConflicts = 10;
    private const int MostLosses = 2;
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    protected override bool ShouldRetryOn(Exception? exception)
    {
        if (exception is not null && DatabaseFaults.HasLostPlans(exception))
        {
            // A statement that was given up while it was being prepared leaves a connection so, for good: none of them is used again
            database.Clear();
            return true;
        }
        return base.ShouldRetryOn(exception) && exception is not { InnerException: TimeoutException };
    }

    protected override TimeSpan? GetNextDelay(Exception lastException) =>
        IsSoonOver(lastException)
            // Apart from each other, or they meet again
            ? ExceptionsEncountered.Count <= MostConflicts
                ? TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20 * ExceptionsEncountered.Count))
                : null
            : ExceptionsEncountered.Count(e => !IsSoonOver(e)) <= MostLosses
                ? base.GetNextDelay(lastException)
                : null;

    private static bool IsSoonOver(Exception e) =>
        e is PostgresException { SqlState: "40001" or "40P01" }
        || DatabaseFaults.HasLostPlans(e)
        || (e.InnerException is { } inner && IsSoonOver(inner));
}
