using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Jobs;

/// <param name="Key">as the client sent it, at most 128 characters</param>
/// <param name="BodyHash">hex SHA-256 of what the key stands for; another body under the same key is refused</param>
public sealed record Idempotency(string Key, string BodyHash);

/// <param name="Replayed">the same key and body had been accepted before; this is that job</param>
public sealed record Submitted(long Id, bool Replayed);

/// <summary>Takes a job into the queue, durably, in one transaction.</summary>
public sealed class SubmitJob
{
    public Task<Outcome<Submitted>> RunAsync(Actor actor, JobSpec spec, Idempotency? idempotency, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Answers what submitting would do now, and changes nothing.</summary>
public sealed class PreviewJob
{
    public Task<JobPreview> RunAsync(Actor actor, JobSpec spec, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Asks for a stop; idempotent. The loop does it.</summary>
public sealed class StopWorkload
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Takes an ended workload out of the lists; one that has not ended is a conflict.</summary>
public sealed class DeleteWorkload
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Submits a job's spec again as a new job.</summary>
public sealed class CloneJob
{
    public Task<Outcome<Submitted>> RunAsync(Actor actor, long id, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Keeps a tar.gz by its digest after reading it through: links, bombs and bad paths are refused.</summary>
public sealed class UploadCode
{
    public Task<Outcome<CodeArchive>> RunAsync(Actor actor, Stream body, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}

/// <summary>Reads of jobs. Members find their own, admins all.</summary>
public sealed class JobQueries
{
    public Task<Outcome<Page<JobRow>>> ListAsync(Actor actor, JobFilter filter, string? cursor, int limit, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>A window of the list by position, for virtualized grids, and how many there are in all.</summary>
    public Task<(IReadOnlyList<JobRow> Rows, int Total)> WindowAsync(Actor actor, JobFilter filter, int skip, int take, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    public Task<JobDetail?> FindAsync(Actor actor, long id, CancellationToken ct) => throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<EventView>?> EventsAsync(Actor actor, long id, int afterSeq, int limit, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    public Task<IReadOnlyList<QueueRow>> QueueAsync(Actor actor, int limit, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>Returns when the job has ended or the timeout ran out; null where there is no such job.</summary>
    public Task<JobDetail?> WaitForEndAsync(Actor actor, long id, TimeSpan timeout, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");

    /// <summary>The attempt a log or chart is about: null names mean the first replica and its newest attempt.</summary>
    public Task<AttemptView?> FindAttemptAsync(Actor actor, long id, string? replica, int? attempt, CancellationToken ct) =>
        throw new NotSupportedException("not built yet");
}
