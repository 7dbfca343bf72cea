using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations;

/// <summary>Runs a change in one transaction that the database may ask to be tried again.</summary>
internal static class VerbTransaction
{
    /// <param name="change">commits only where it answers Done</param>
    public static async Task<Outcome<T>> RunAsync<T>(
        IDbContextFactory<ConsoleDb> databases,
        Func<ConsoleDb, Task<Outcome<T>>> change,
        CancellationToken ct
    )
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                db.ChangeTracker.Clear();
                await using var transaction = await db.Database.BeginTransactionAsync(ct);
                var outcome = await change(db);
                if (outcome is Outcome<T>.Done)
                {
                    await db.CommitAsync(ct);
                }
                return outcome;
            });
    }
}
