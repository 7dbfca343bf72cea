using System.Data;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Reconcile;

/// <summary>The term is over: another console leads. Nothing was written.</summary>
public sealed class TermOverException(long epoch) : OperationCanceledException($"Epoch {epoch} is over.");

/// <summary>
/// Runs the loop's writes: each transaction holds the leadership row with the term's epoch, so that no other console can take
/// over between the check and the commit. It holds the row's key only: the lease is renewed meanwhile.
/// </summary>
public sealed class LeaderWrites(IDbContextFactory<ConsoleDb> databases)
{
    public async Task<T> RunAsync<T>(
        LeaderTerm term,
        Func<ConsoleDb, CancellationToken, Task<T>> write,
        Func<ConsoleDb, bool>? worthCommitting = null
    )
    {
        var ct = term.Ended;
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(
                async token =>
                {
                    db.ChangeTracker.Clear();
                    await using var transaction = await db.Database.BeginTransactionAsync(
                        IsolationLevel.ReadCommitted,
                        token
                    );
                    var epoch = await db
                        .Database.SqlQuery<long>(
                            $"select epoch as \"Value\" from leadership where id = 1 for key share"
                        )
                        .ToListAsync(token);
                    if (epoch is not [var current] || current != term.Epoch)
                    {
                        throw new TermOverException(term.Epoch);
                    }
                    var result = await write(db, token);
                    if (worthCommitting?.Invoke(db) ?? true)
                    {
                        await db.CommitAsync(token);
                    }
                    return result;
                },
                // A term that is over does not sit out the pause before the next try
                ct
            );
    }
}
