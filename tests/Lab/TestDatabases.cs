using Npgsql;

namespace DeepLab.Tests;

/// <summary>Databases that tests make for themselves, on a server where they are no superuser.</summary>
internal static class TestDatabases
{
    private const int MostTries = 100;

    /// <summary>
    /// With all its connections. The server's own cleaner, which may be at work in any database, is ended by a superuser alone:
    /// then it is waited for.
    /// </summary>
    /// <param name="server">a connection string with the right to create databases</param>
    public static async Task DropAsync(string server, string? database, CancellationToken ct = default)
    {
        await using var admin = NpgsqlDataSource.Create(server);
        for (var tries = 1; ; tries++)
        {
            try
            {
                await using var drop = admin.CreateCommand($"drop database if exists {database} with (force)");
                await drop.ExecuteNonQueryAsync(ct);
                return;
            }
            catch (PostgresException e)
                when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege && tries < MostTries)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), ct);
            }
        }
    }
}
