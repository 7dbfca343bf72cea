using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Core.Reconcile;

/// <summary>A stretch of leadership. Every write of the loop carries its epoch; <see cref="Ended"/> fires when it is over.</summary>
public sealed record LeaderTerm(long Epoch, CancellationToken Ended);

/// <summary>
/// A lease in the database, by the database's clock. A process that starts again in the same data folder, whose lock it
/// holds, takes its own old lease at once: its predecessor is dead.
/// </summary>
public sealed partial class Leadership(
    NpgsqlDataSource database,
    InstanceLock instance,
    TimeProvider time,
    ILogger<Leadership> logger
)
{
    private static readonly TimeSpan s_renewEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(7);

    /// <summary>Runs <paramref name="lead"/> each time this process leads, until stopped.</summary>
    public async Task RunAsync(Func<LeaderTerm, Task> lead, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                if (await TakeAsync(ct) is { } epoch)
                {
                    await LeadAsync(epoch, lead, ct);
                }
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.NoDatabase(logger, e.Message);
            }
            await Task.Delay(s_renewEvery, time, ct);
        }
    }

    /// <summary>Gives the lease back, so that another console need not wait for it to run out.</summary>
    public async Task ResignAsync(CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "update leadership set expires_at = now() where id = 1 and holder = $1"
        );
        command.Parameters.AddWithValue(instance.Id);
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task LeadAsync(long epoch, Func<LeaderTerm, Task> lead, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Log.Leads(logger, epoch);
        var work = lead(new LeaderTerm(epoch, over.Token));
        try
        {
            var renewed = time.GetTimestamp();
            while (!work.IsCompleted)
            {
                await Task.WhenAny(work, Task.Delay(s_renewEvery, time, ct));
                ct.ThrowIfCancellationRequested();
                try
                {
                    if (!await RenewAsync(epoch, ct))
                    {
                        Log.Lost(logger, epoch);
                        return;
                    }
                    renewed = time.GetTimestamp();
                }
                catch (Exception e) when (DatabaseFaults.IsFault(e))
                {
                    // Nobody else can take the lease from a database that is gone; but past it, somebody may
                    if (time.GetElapsedTime(renewed) > s_lease)
                    {
                        Log.Lost(logger, epoch);
                        return;
                    }
                }
            }
        }
        finally
        {
            await over.CancelAsync();
            try
            {
                await work;
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                // The term is over: that is how its work ends
            }
        }
    }

    private async Task<long?> TakeAsync(CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            """
            update leadership set holder = $1, epoch = epoch + 1, expires_at = now() + $2
            where id = 1 and (holder = $1 or expires_at < now()) returning epoch
            """
        );
        command.Parameters.AddWithValue(instance.Id);
        command.Parameters.AddWithValue(s_lease);
        return (long?)await command.ExecuteScalarAsync(ct);
    }

    private async Task<bool> RenewAsync(long epoch, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "update leadership set expires_at = now() + $3 where id = 1 and holder = $1 and epoch = $2"
        );
        command.Parameters.AddWithValue(instance.Id);
        command.Parameters.AddWithValue(epoch);
        command.Parameters.AddWithValue(s_lease);
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "This console leads, epoch {Epoch}")]
        public static partial void Leads(ILogger logger, long epoch);

        [LoggerMessage(LogLevel.Warning, "This console no longer leads (epoch {Epoch})")]
        public static partial void Lost(ILogger logger, long epoch);

        [LoggerMessage(LogLevel.Warning, "The database does not answer: {Error}")]
        public static partial void NoDatabase(ILogger logger, string error);
    }
}

/// <summary>Holds the data folder for this process alone, and knows the folder's lasting identity.</summary>
public sealed class InstanceLock : IDisposable
{
    private readonly FileStream _lock;

    /// <exception cref="IOException">Another console runs in this data folder.</exception>
    public InstanceLock(ConsoleOptions options)
    {
        Directory.CreateDirectory(options.DataFolder);
        var path = Path.Combine(options.DataFolder, "instance");
        try
        {
            _lock = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new IOException($"Another console runs in the data folder {options.DataFolder}.", e);
        }
        var bytes = new byte[36];
        if (_lock.Read(bytes) == bytes.Length && Guid.TryParse(System.Text.Encoding.ASCII.GetString(bytes), out var id))
        {
            Id = id.ToString("D");
            return;
        }
        Id = Guid.CreateVersion7().ToString("D");
        _lock.SetLength(0);
        _lock.Write(System.Text.Encoding.ASCII.GetBytes(Id));
        _lock.Flush(flushToDisk: true);
    }

    public string Id { get; }

    public void Dispose() => _lock.Dispose();
}
