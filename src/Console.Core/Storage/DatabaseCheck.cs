using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Well where the database answers within two seconds.</summary>
public sealed class DatabaseCheck(NpgsqlDataSource database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(2));
        try
        {
            await using var command = database.CreateCommand("select 1");
            await command.ExecuteScalarAsync(patience.Token);
            return HealthCheckResult.Healthy();
        }
        catch (Exception e) when (DatabaseFaults.IsFault(e) || patience.IsCancellationRequested)
        {
            return HealthCheckResult.Unhealthy("the database does not answer", e);
        }
    }
}
