using System.Globalization;
using DeepLab.Core.Feeds;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Hears what any console committed and hands it to this process' <see cref="ChangeFeed"/>.</summary>
public sealed partial class ChangeListener(
    NpgsqlDataSource database,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<ChangeListener> logger
) : BackgroundService
{
    public const string Channel = "deeplab";
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    public static string Encode(Change change) =>
        string.Create(CultureInfo.InvariantCulture, $"{(int)change.Kind}:{change.Id}");

    public static Change Decode(string payload)
    {
        var at = payload.IndexOf(':');
        return
            at > 0
            && int.TryParse(payload.AsSpan(0, at), CultureInfo.InvariantCulture, out var kind)
            && long.TryParse(payload.AsSpan(at + 1), CultureInfo.InvariantCulture, out var id)
            ? new Change((ChangeKind)kind, id)
            : new Change(ChangeKind.Everything, 0);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or IOException or InvalidOperationException)
            {
                Log.Lost(logger, e.Message);
                await Task.Delay(s_retry, time, stoppingToken);
            }
        }
    }

    private async Task ListenAsync(CancellationToken ct)
    {
        await using var connection = database.CreateConnection();
        await connection.OpenAsync(ct);
        connection.Notification += (_, e) => feed.Publish(Decode(e.Payload));
        await using (var listen = new NpgsqlCommand($"listen {Channel}", connection))
        {
            await listen.ExecuteNonQueryAsync(ct);
        }
        // What was committed while nobody listened is not told again
        feed.Publish(new Change(ChangeKind.Everything, 0));
        while (true)
        {
            await connection.WaitAsync(ct);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "The connection that carries changes was lost: {Error}")]
        public static partial void Lost(ILogger logger, string error);
    }
}
