using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>The database of a lab, with a way of the checker's own that no cut ends.</summary>
internal sealed class LabDatabase : IAsyncDisposable
{
    private const string Checker = "checker";

    /// <summary>The server cleans up in every database, by processes that none but a superuser may end.</summary>
    private const string Own = "usename = current_user";
    private readonly NpgsqlDataSource _server = NpgsqlDataSource.Create(ConsoleHarness.AdminDatabase);
    private readonly string _name;

    /// <param name="connectionString">names a database that exists, or is made before it is used</param>
    public LabDatabase(string connectionString)
    {
        var address = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = Checker,
            // Never closed, so that it stays while the database takes no new ones
            MinPoolSize = 1,
            ConnectionIdleLifetime = (int)TimeSpan.FromDays(1).TotalSeconds,
            // Npgsql's own is an hour, in use or not
            ConnectionLifetime = 0,
            // The same few questions after each step: reading and planning them anew takes longer than their answers
            MaxAutoPrepare = 20,
            NoResetOnClose = true,
        };
        _name = address.Database!;
        Sql = NpgsqlDataSource.Create(address);
    }

    public NpgsqlDataSource Sql { get; }

    public bool IsClosed { get; private set; }

    public Task CreateAsync(CancellationToken ct) => OnServerAsync($"create database {_name}", ct);

    public Task DropAsync() => TestDatabases.DropAsync(ConsoleHarness.AdminDatabase, _name);

    /// <summary>All connections break; new ones may be made.</summary>
    public Task CutAsync(CancellationToken ct) =>
        OnServerAsync(
            $"""
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = '{_name}' and application_name <> '{Checker}' and {Own}
            """,
            ct
        );

    public async Task CloseAsync(CancellationToken ct)
    {
        // One of the checker's is open by now
        await using (var command = Sql.CreateCommand("select 1"))
        {
            await command.ExecuteNonQueryAsync(ct);
        }
        IsClosed = true;
        await OnServerAsync($"alter database {_name} allow_connections false", ct);
        await CutAsync(ct);
    }

    public async Task OpenAsync(CancellationToken ct)
    {
        if (IsClosed)
        {
            await OnServerAsync($"alter database {_name} allow_connections true", ct);
            IsClosed = false;
        }
    }

    /// <summary>Takes away what jobs left; hosts, teams and series stay.</summary>
    public async Task ForgetJobsAsync(CancellationToken ct)
    {
        await using var command = Sql.CreateCommand(
            """
            truncate workloads, replicas, attempts, leases, workload_events, log_blocks, log_cursors, audit, idempotency_keys,
              engine_outages, job_networks, workload_texts
            """
        );
        await command.ExecuteNonQueryAsync(ct);
    }

    public async ValueTask DisposeAsync()
    {
        await Sql.DisposeAsync();
        await _server.DisposeAsync();
    }

    private async Task OnServerAsync(string text, CancellationToken ct)
    {
        await using var command = _server.CreateCommand(text);
        await command.ExecuteNonQueryAsync(ct);
    }
}
