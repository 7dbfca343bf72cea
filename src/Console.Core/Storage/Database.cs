using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>How contexts are made, in the product and at design time.</summary>
public static class Database
{
    public static NpgsqlDataSource CreateDataSource(string connectionString)
    {
        var builder = new NpgsqlDataSourceBuilder(connectionString);
        builder.ConnectionStringBuilder.ApplicationName = "deeplab";
        // A database that is gone is told within seconds, so that doors can answer 503
        builder.ConnectionStringBuilder.Timeout = 5;
        builder.ConnectionStringBuilder.CommandTimeout = 20;
        builder.ConnectionStringBuilder.MaxPoolSize = 60;
        return builder.Build();
    }

    public static DbContextOptionsBuilder UseConsole(this DbContextOptionsBuilder options, NpgsqlDataSource database) =>
        options
            .UseNpgsql(database, o => o.EnableRetryOnFailure(2, TimeSpan.FromSeconds(1), ["40001", "40P01"]))
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
