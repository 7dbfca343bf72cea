using DeepLab.Core.Feeds;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Storage;
using Hangfire;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Schedules;

/// <summary>Hands tasks with images to Hangfire's workers as they come, whichever console took them.</summary>
internal sealed partial class ImageWorkers(
    ImageTaskQueue queue,
    IBackgroundJobClient jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<ImageWorkers> logger
) : BackgroundService
{
    /// <summary>For those whose worker is gone, of which nobody tells.</summary>
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var changes = feed.Subscribe(c => c.Kind is ChangeKind.Image or ChangeKind.Everything);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var id in await queue.HandOutAsync(stoppingToken))
                {
                    jobs.Enqueue<ImageTasks>(t => t.RunAsync(id, CancellationToken.None));
                }
                await changes.NextAsync(s_lookEvery, time, stoppingToken);
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.NoDatabase(logger, e.Message);
                await Task.Delay(s_retry, time, stoppingToken);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Tasks with images wait: the database does not answer: {Error}")]
        public static partial void NoDatabase(ILogger logger, string error);
    }
}
