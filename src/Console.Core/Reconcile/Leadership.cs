using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Core.Reconcile;

/// <summary>A stretch of leadership. Every write of the loop carries its epoch; <see cref="Ended"/> fires when it is over.</summary>
public sealed record LeaderTerm(long Epoch, CancellationToken Ended);

/// <summary>
/// A lease in the database, by the database's clock. A process that starts again in the same data folder, whose lock it
/// holds, takes its own old lease at once: its predecessor is dead. A term ends when its lease was not renewed in time, by
/// this process' monotonic clock, whatever a call to the database waits for.
/// </summary>
public sealed partial class Leadership(
    LeaseConnections connections,
    InstanceLock instance,
    DatabaseClock clock,
    TimeProvider time,
    ILogger<Leadership> logger
)
{
    private static readonly TimeSpan s_renewEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(7);
    private static readonly TimeSpan s_past = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs <paramref name="lead"/> each time this process leads, until stopped.</summary>
    public async Task RunAsync(Func<LeaderTerm, Task> lead, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            var patience = s_renewEvery;
            try
            {
                var asked = time.GetTimestamp();
                var (epoch, left) = await TakeAsync(asked, ct);
                if (epoch is { } mine)
                {
                    await LeadAsync(mine, asked, lead, ct);
                }
                else if (left < patience)
                {
                    // Just past its end, where whoever leads does not renew it
                    patience = left + s_past;
                }
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.NoDatabase(logger, e.Message);
            }
            await Task.Delay(patience, time, ct);
        }
    }

    /// <summary>Gives the lease back, so that another console need not wait for it to run out.</summary>
    public async Task ResignAsync(CancellationToken ct)
    {
        await using var connection = await connections.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            "update leadership set expires_at = now() where id = 1 and holder = $1",
            connection
        );
        command.Parameters.AddWithValue(instance.Id);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <param name="asked">when the lease was asked for: it is no older than that</param>
    private async Task LeadAsync(long epoch, long asked, Func<LeaderTerm, Task> lead, CancellationToken ct)
    {
        using var lease = new CancellationTokenSource(Left(asked), time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct, lease.Token);
        Log.Leads(logger, epoch);
        var work = lead(new LeaderTerm(epoch, over.Token));
        try
        {
            var next = s_renewEvery;
            while (!work.IsCompleted)
            {
                await Task.WhenAny(work, Task.Delay(next, time, over.Token));
                try
                {
                    asked = time.GetTimestamp();
                    if (over.IsCancellationRequested || !await RenewAsync(epoch, asked, over.Token))
                    {
                        break;
                    }
                    lease.CancelAfter(Left(asked));
                    next = s_renewEvery;
                }
                catch (Exception e) when (DatabaseFaults.IsFault(e))
                {
                    // Nobody else can take the lease from a database that is gone; but past it, somebody may
                    Log.NoDatabase(logger, e.Message);
                    next = s_retry;
                }
                catch (OperationCanceledException) when (over.IsCancellationRequested)
                {
                    break;
                }
            }
        }
        finally
        {
            await over.CancelAsync();
            if (!ct.IsCancellationRequested)
            {
                Log.Lost(logger, epoch);
            }
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

    private TimeSpan Left(long asked)
    {
        var left = s_lease - time.GetElapsedTime(asked);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>Takes the row whole, which waits for the writes of whoever leads; a renewal does not.</summary>
    /// <returns>the epoch, or null where the lease is another's, and what is left of that one</returns>
    private async Task<(long? Epoch, TimeSpan Left)> TakeAsync(long asked, CancellationToken ct)
    {
        await using var connection = await connections.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            """
            with free as (
              select id from leadership where id = 1 and (holder = $1 or expires_at < clock_timestamp()) for update
            ), taken as (
              update leadership set holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + $2
              where id in (select id from free) returning epoch
            ) select (select epoch from taken), clock_timestamp(), greatest(expires_at - clock_timestamp(), interval '0')
              from leadership where id = 1
            """,
            connection
        );
        command.Parameters.AddWithValue(instance.Id);
        command.Parameters.AddWithValue(s_lease);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        clock.Hear(await reader.GetFieldValueAsync<DateTimeOffset>(1, ct), asked);
        return (await reader.GetFieldValueAsync<long?>(0, ct), await reader.GetFieldValueAsync<TimeSpan>(2, ct));
    }

    private async Task<bool> RenewAsync(long epoch, long asked, CancellationToken ct)
    {
        await using var connection = await connections.OpenAsync(ct);
        await using var command = new NpgsqlCommand(
            """
            with renewed as (
              update leadership set expires_at = clock_timestamp() + $3 where id = 1 and holder = $1 and epoch = $2
              returning epoch
            ) select (select epoch from renewed), clock_timestamp()
            """,
            connection
        );
        command.Parameters.AddWithValue(instance.Id);
        command.Parameters.AddWithValue(epoch);
        command.Parameters.AddWithValue(s_lease);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        clock.Hear(await reader.GetFieldValueAsync<DateTimeOffset>(1, ct), asked);
        return !await reader.IsDBNullAsync(0, ct);
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
