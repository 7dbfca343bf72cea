using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Connections for the lease of leadership alone, so that nothing else that waits for one keeps it from being renewed.</summary>
public class LeaseConnections(ConsoleOptions options) : IAsyncDisposable
{
    protected NpgsqlDataSource Database { get; } = Storage.Database.CreateLeaseSource(options.Database);

    public virtual ValueTask<NpgsqlConnection> OpenAsync(CancellationToken ct) => Database.OpenConnectionAsync(ct);

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
