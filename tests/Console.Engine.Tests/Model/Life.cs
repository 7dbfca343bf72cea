using System.Data.Common;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>
/// The life of one console in this process. Once it is over, nothing that the console still does reaches the database:
/// no connection opens and no transaction commits, as if its process had been killed at that moment.
/// </summary>
internal sealed class Life : IDbConnectionInterceptor, IDbTransactionInterceptor
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsOver => _ended.Task.IsCompleted;

    public Task Ended => _ended.Task;

    public void End() => _ended.TrySetResult();

    public InterceptionResult ConnectionOpening(
        DbConnection connection,
        ConnectionEventData eventData,
        InterceptionResult result
    ) => GoOn(result);

    public ValueTask<InterceptionResult> ConnectionOpeningAsync(
        DbConnection connection,
        ConnectionEventData eventData,
        InterceptionResult result,
        CancellationToken cancellationToken = default
    ) => new(GoOn(result));

    public InterceptionResult TransactionCommitting(
        DbTransaction transaction,
        TransactionEventData eventData,
        InterceptionResult result
    ) => GoOn(result);

    public ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction,
        TransactionEventData eventData,
        InterceptionResult result,
        CancellationToken cancellationToken = default
    ) => new(GoOn(result));

    private InterceptionResult GoOn(InterceptionResult result) =>
        IsOver ? throw new NpgsqlException("This console is dead.") : result;
}

/// <summary>Contexts of one console; all consoles of a lab share the queries that EF Core compiled.</summary>
internal sealed class MortalDatabases(NpgsqlDataSource shared, Life life) : IDbContextFactory<ConsoleDb>
{
    private readonly DbContextOptions<ConsoleDb> _options = Options(shared, life);

    public ConsoleDb CreateDbContext() => new(_options);

    private static DbContextOptions<ConsoleDb> Options(NpgsqlDataSource shared, Life life)
    {
        var options = new DbContextOptionsBuilder<ConsoleDb>();
        options.UseConsole(shared);
        options.AddInterceptors(life);
        return options.Options;
    }
}

/// <summary>Ends the life of a console in place of its process.</summary>
internal sealed class ArmedFailpoints(DeepLab.Core.ConsoleOptions options, Life life) : Failpoints(options)
{
    private string? _armed;

    /// <summary>Null disarms.</summary>
    public void Arm(string? name) => Volatile.Write(ref _armed, name);

    public override void Hit(string name)
    {
        if (Volatile.Read(ref _armed) == name)
        {
            life.End();
        }
        if (life.IsOver)
        {
            throw new NpgsqlException("This console is dead.");
        }
    }
}
