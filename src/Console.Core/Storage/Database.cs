using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>How contexts are made, in the product and at design time.</summary>
public static class Database
{
    /// <summary>What the database's own list of connections shows, unless the connection string names another.</summary>
    private const string Name = "deeplab";

    /// <summary>Plans that a connection of the pool keeps, at some 50 KB each in the server.</summary>
    private const int MostPrepared = 100;

    public static NpgsqlDataSource CreateDataSource(string connectionString)
    {
        var builder = new NpgsqlDataSourceBuilder(connectionString);
        builder.ConnectionStringBuilder.ApplicationName ??= Name;
        // A database that is gone is told within seconds, so that doors can answer 503
        builder.ConnectionStringBuilder.Timeout = 5;
        builder.ConnectionStringBuilder.CommandTimeout = 20;
        builder.ConnectionStringBuilder.MaxPoolSize = 60;
        // The same few hundred questions all day: most of the database's time went into reading and planning them anew
        builder.ConnectionStringBuilder.MaxAutoPrepare = MostPrepared;
        // Nobody leaves anything behind in a session that the next one would have to be kept from
        builder.ConnectionStringBuilder.NoResetOnClose = true;
        // A console that is frozen in the middle of a transaction gives its locks up: no transaction waits for anything else
        builder.ConnectionStringBuilder.Options =
            $"{builder.ConnectionStringBuilder.Options} -c idle_in_transaction_session_timeout=5s".TrimStart();
        return builder.Build();
    }

    /// <summary>
    /// For the lease of leadership alone: what else waits for a connection, or makes the database slow to answer, does not keep
    /// the lease from being renewed. Each question is given up while there is time for another.
    /// </summary>
    public static NpgsqlDataSource CreateLeaseSource(string connectionString)
    {
        var builder = new NpgsqlDataSourceBuilder(connectionString);
        builder.ConnectionStringBuilder.ApplicationName =
            (builder.ConnectionStringBuilder.ApplicationName ?? Name) + "-lease";
        builder.ConnectionStringBuilder.Timeout = 2;
        builder.ConnectionStringBuilder.CommandTimeout = 2;
        // Asks no more of a connection that did not answer
        builder.ConnectionStringBuilder.CancellationTimeout = -1;
        builder.ConnectionStringBuilder.MaxPoolSize = 2;
        return builder.Build();
    }

    public static DbContextOptionsBuilder UseConsole(this DbContextOptionsBuilder options, NpgsqlDataSource database) =>
        options
            .UseNpgsql(database, o => o.ExecutionStrategy(d => new Retries(d, database)))
            .UseSnakeCaseNamingConvention();
}

/// <summary>For `dotnet ef migrations add`: makes no connection.</summary>
internal sealed class DesignTimeConsoleDb : IDesignTimeDbContextFactory<ConsoleDb>
{
    public ConsoleDb CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<ConsoleDb>();
        options.UseConsole(Database.CreateDataSource("Host=localhost;Database=deeplab"));
        return new ConsoleDb(options.Options);
    }
}
