namespace DeepLab.Web.Boards;

/// <summary>Does something once the typing has paused; more typing takes it back.</summary>
public sealed class TypingPause(TimeProvider time, TimeSpan pause)
{
    private Func<Task>? _takeBack;

    public async Task ThenAsync(Func<CancellationToken, Task> action)
    {
        await CancelAsync();
        using var mine = new CancellationTokenSource();
        var takeBack = _takeBack = mine.CancelAsync;
        try
        {
            await Task.Delay(pause, time, mine.Token);
            await action(mine.Token);
        }
        catch (OperationCanceledException) when (mine.IsCancellationRequested)
        {
            // More was typed, or the page was left
        }
        finally
        {
            if (_takeBack == takeBack)
            {
                _takeBack = null;
            }
        }
    }

    public Task CancelAsync() => _takeBack?.Invoke() ?? Task.CompletedTask;
}
