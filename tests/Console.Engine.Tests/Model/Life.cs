using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>Connections that the consoles of a lab are using: while there are any, they have not come to rest.</summary>
internal sealed class Activity
{
    private readonly ConcurrentDictionary<DbConnection, bool> _open = new();

    /// <summary>One that broke is never told to be closed.</summary>
    public bool IsQuiet => _open.Keys.All(IsDone);

    public void Open(DbConnection connection) => _open[connection] = true;

    public void Close(DbConnection connection) => _open.TryRemove(connection, out _);

    /// <summary>No console is there: what was open is not any more.</summary>
    public void Reset() => _open.Clear();

    private static bool IsDone(DbConnection connection)
    {
        try
        {
            return connection.State is ConnectionState.Closed or ConnectionState.Broken;
        }
        catch (InvalidOperationException)
        {
            // Another thread closes it at this moment, and Npgsql takes the half-way state for a bug of its own
            return false;
        }
    }
}

/// <summary>
/// The life of one console in this process. Once it is over, nothing that the console still does reaches the database:
/// no connection opens and no transaction commits, as if its process had been killed at that moment.
/// </summary>
internal sealed class Life(Activity activity) : IDbConnectionInterceptor, IDbTransactionInterceptor
{
    private volatile bool _isOver;

    public bool IsOver => _isOver;

    public void End() => _isOver = true;

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

    public void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) =>
        activity.Open(connection);

    public Task ConnectionOpenedAsync(
        DbConnection connection,
        ConnectionEndEventData eventData,
        CancellationToken cancellationToken = default
    )
    {
        activity.Open(connection);
        return Task.CompletedTask;
    }

    public void ConnectionClosed(DbConnection connection, ConnectionEndEventData eventData) =>
        activity.Close(connection);

    public Task ConnectionClosedAsync(DbConnection connection, ConnectionEndEventData eventData)
    {
        activity.Close(connection);
        return Task.CompletedTask;
    }

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

/// <summary>The lease of one console, whose questions count as its activity: the clock waits for their answers.</summary>
internal sealed class MortalLease(DeepLab.Core.ConsoleOptions options, Life life, Activity activity)
    : LeaseConnections(options)
{
    public override async ValueTask<NpgsqlConnection> OpenAsync(CancellationToken ct)
    {
        if (life.IsOver)
        {
            throw new NpgsqlException("This console is dead.");
        }
        var connection = Database.CreateConnection();
        connection.StateChange += (_, e) =>
        {
            if (e.CurrentState is ConnectionState.Closed or ConnectionState.Broken)
            {
                activity.Close(connection);
            }
        };
        activity.Open(connection);
        try
        {
            await connection.OpenAsync(ct);
            return connection;
        }
        catch
        {
            activity.Close(connection);
            await connection.DisposeAsync();
            throw;
        }
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
