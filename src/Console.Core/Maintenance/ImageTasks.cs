using DeepLab.Core.Engines;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace DeepLab.Core.Maintenance;

/// <summary>Which tasks with images wait for a worker. Safe to ask from several consoles at once.</summary>
public sealed class ImageTaskQueue(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    /// <summary>A worker that has not been heard of for as long is gone.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromMinutes(1);

    /// <summary>Ids of those that wait, and of those whose worker is gone; nobody else is handed them for a minute.</summary>
    public async Task<IReadOnlyList<long>> HandOutAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var silent = now - s_silence;
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .Database.SqlQuery<long>(
                $"""
                update image_tasks set handed_at = {now}, state = 'Waiting'
                where state in ('Waiting','Running')
                  and ((state = 'Waiting' and handed_at is null) or handed_at < {silent})
                returning id as "Value"
                """
            )
            .ToListAsync(ct);
    }
}

/// <summary>Runs tasks with images: keeps how far they are, ends them when asked, and says how they ended.</summary>
public sealed partial class ImageTasks(
    IDbContextFactory<ConsoleDb> databases,
    ImageWork work,
    TimeProvider time,
    ILogger<ImageTasks> logger
)
{
    private static readonly TimeSpan s_tellEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_beatEvery = TimeSpan.FromSeconds(10);

    /// <summary>Does nothing where the task is over or somebody else's. Throws only when this console stops: another goes on.</summary>
    public async Task RunAsync(long id, CancellationToken ct)
    {
        if (await BeginAsync(id, ct) is not { } task)
        {
            return;
        }
        var progress = new TaskProgress();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var watch = WatchAsync(id, progress, cancel, done.Token);
        try
        {
            var finish = await work.DoAsync(task, progress, cancel.Token);
            await EndAsync(id, ImageTaskState.Succeeded, progress, "done", finish, ct);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            await EndAsync(id, ImageTaskState.Cancelled, progress, "cancelled", null, ct);
        }
        catch (Exception e) when (cancel.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            // A stream that the cancellation itself cut
            Log.Cut(logger, id, e.Message);
            await EndAsync(id, ImageTaskState.Cancelled, progress, "cancelled", null, ct);
        }
        catch (Exception e)
            when (e is EngineException or EngineUnreachableException or IOException or ImageTaskException)
        {
            await EndAsync(id, ImageTaskState.Failed, progress, e.Message, null, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested && !DatabaseFaults.IsFault(e))
        {
            // The work's boundary: told, and over
            Log.Broken(logger, e, id);
            await EndAsync(
                id,
                ImageTaskState.Failed,
                progress,
                "it failed; the console's log holds the reason",
                null,
                ct
            );
        }
        finally
        {
            await done.CancelAsync();
            await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<ImageTask?> BeginAsync(long id, CancellationToken ct)
    {
        ImageTask? begun = null;
        await ChangeAsync(
            id,
            (_, task) =>
            {
                begun = task.State == ImageTaskState.Waiting ? task : null;
                if (begun is not null)
                {
                    task.State = ImageTaskState.Running;
                    task.StartedAt ??= time.GetUtcNow();
                    task.HandedAt = time.GetUtcNow();
                    task.Message = "begins";
                }
                return Task.CompletedTask;
            },
            ct
        );
        return begun;
    }

    private async Task WatchAsync(long id, TaskProgress progress, CancellationTokenSource cancel, CancellationToken ct)
    {
        var beat = time.GetTimestamp();
        while (true)
        {
            await Task.Delay(s_tellEvery, time, ct);
            var isDue = time.GetElapsedTime(beat) > s_beatEvery;
            try
            {
                await using var db = await databases.CreateDbContextAsync(ct);
                if (await db.ImageTasks.AnyAsync(t => t.Id == id && t.CancelWanted, ct))
                {
                    await cancel.CancelAsync();
                    return;
                }
                if (progress.IsNews() || isDue)
                {
                    await ChangeAsync(id, (_, task) => Tell(task, progress), ct);
                    beat = time.GetTimestamp();
                }
            }
            catch (Exception e) when (DatabaseFaults.IsFault(e))
            {
                Log.NoDatabase(logger, id, e.Message);
            }
        }
    }

    private Task Tell(ImageTask task, TaskProgress progress)
    {
        task.Fraction = progress.Fraction;
        task.Message = progress.Message;
        task.Log = progress.Log;
        task.HandedAt = time.GetUtcNow();
        return Task.CompletedTask;
    }

    /// <param name="finish">what is written with the end, in one transaction</param>
    private Task EndAsync(
        long id,
        ImageTaskState state,
        TaskProgress progress,
        string message,
        Func<ConsoleDb, ImageTask, CancellationToken, Task>? finish,
        CancellationToken ct
    ) =>
        ChangeAsync(
            id,
            async (db, task) =>
            {
                if (task.State != ImageTaskState.Running)
                {
                    return;
                }
                await Tell(task, progress);
                task.State = state;
                task.Message = message;
                task.EndedAt = time.GetUtcNow();
                task.Fraction = state == ImageTaskState.Succeeded ? 1 : task.Fraction;
                if (finish is not null)
                {
                    await finish(db, task, ct);
                    db.Tell(ChangeKind.Queue);
                    db.Tell(ChangeKind.Image);
                }
            },
            ct
        );

    private async Task ChangeAsync(long id, Func<ConsoleDb, ImageTask, Task> change, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                db.ChangeTracker.Clear();
                await using var transaction = await db.Database.BeginTransactionAsync(ct);
                var task = await db
                    .ImageTasks.FromSql($"select * from image_tasks where id = {id} for update")
                    .SingleOrDefaultAsync(ct);
                if (task is not null)
                {
                    await change(db, task);
                    db.Tell(ChangeKind.Image, id);
                    await db.CommitAsync(ct);
                }
            });
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "Image task {Task} failed")]
        public static partial void Broken(ILogger logger, Exception e, long task);

        [LoggerMessage(LogLevel.Information, "Image task {Task} was cancelled: {Error}")]
        public static partial void Cut(ILogger logger, long task, string error);

        [LoggerMessage(LogLevel.Warning, "Image task {Task}: the database does not answer: {Error}")]
        public static partial void NoDatabase(ILogger logger, long task, string error);
    }
}

/// <summary>Why a task with an image came to nothing, as a sentence for people.</summary>
public sealed class ImageTaskException(string message) : Exception(message);

/// <summary>How far a task is; written by its worker, read by who tells of it.</summary>
public sealed class TaskProgress
{
    /// <summary>Characters of a build's log that are kept: its end.</summary>
    private const int LogKept = 512 << 10;
    private readonly Lock _gate = new();
    private readonly System.Text.StringBuilder _log = new();
    private double? _fraction;
    private string _message = "works";
    private bool _isNews;

    public double? Fraction
    {
        get
        {
            lock (_gate)
            {
                return _fraction;
            }
        }
    }

    public string Message
    {
        get
        {
            lock (_gate)
            {
                return _message;
            }
        }
    }

    public string Log
    {
        get
        {
            lock (_gate)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>Once for all that was said since the last time.</summary>
    public bool IsNews()
    {
        lock (_gate)
        {
            return (_isNews, _isNews = false).Item1;
        }
    }

    public void Say(string message, double? fraction)
    {
        // Whole percents: what nobody can see is not written
        var rounded = fraction is { } f ? Math.Floor(Math.Clamp(f, 0, 1) * 100) / 100 : (double?)null;
        lock (_gate)
        {
            _isNews |= message != _message || rounded != _fraction;
            (_message, _fraction) = (message, rounded);
        }
    }

    /// <summary>Adds to the log. The database takes no zero characters.</summary>
    public void Write(string text)
    {
        if (text.Length == 0)
        {
            return;
        }
        lock (_gate)
        {
            _log.Append(text.Replace("\0", "", StringComparison.Ordinal));
            if (_log.Length > LogKept + (LogKept / 4))
            {
                _log.Remove(0, _log.Length - LogKept);
            }
            _isNews = true;
        }
    }
}
