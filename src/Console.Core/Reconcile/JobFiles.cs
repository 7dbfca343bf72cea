using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <param name="Missing">what is not there, as a sentence, or null</param>
/// <param name="ScriptCommand">argv of the inline script; empty where there is none</param>
public sealed record FoundFiles(string? Missing, IReadOnlyList<string> ScriptCommand);

/// <summary>A job's own files: its code archive and its inline script.</summary>
public sealed class JobFiles(CodeFolder folder)
{
    public Task<FoundFiles> FindAsync(JobSpec spec, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var missing =
            spec.Code is { } digest && !File.Exists(folder.PathOf(digest))
                ? $"the code {digest} is no longer kept; upload it again"
                : null;
        return Task.FromResult(new FoundFiles(missing, []));
    }

    public Task PutAsync(IContainerEngine engine, string containerId, JobSpec spec, CancellationToken ct)
    {
        return Task.CompletedTask;
    }
}
