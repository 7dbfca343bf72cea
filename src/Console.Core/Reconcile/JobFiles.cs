using System.IO.Pipelines;
using System.Runtime.ExceptionServices;
using System.Text;
using DeepLab.Core.Engines;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <param name="Missing">what is not there, as a sentence, or null</param>
/// <param name="ScriptCommand">argv of the inline script; empty where there is none</param>
public sealed record FoundFiles(string? Missing, IReadOnlyList<string> ScriptCommand);

/// <summary>A file or folder of the console's that stands in a container before it starts, owned by its user.</summary>
/// <param name="Path">absolute</param>
/// <param name="Mode">permission bits</param>
/// <param name="Content">null = a folder</param>
public sealed record PlacedFile(string Path, int Mode, byte[]? Content)
{
    public static PlacedFile Of(string path, int mode, string text) => new(path, mode, Encoding.UTF8.GetBytes(text));
}

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
        return Task.FromResult(new FoundFiles(missing, spec.Script is { } s ? ScriptFile.From(s).Command : []));
    }

    /// <summary>Puts the files into a created container; a job without any is left as its image made it.</summary>
    /// <exception cref="EngineException">The engine refused them, or the archive kept here is damaged.</exception>
    /// <param name="owned">folders of volumes that the program is to own</param>
    public Task PutAsync(
        IContainerEngine engine,
        string containerId,
        JobSpec spec,
        IReadOnlyList<string> owned,
        CancellationToken ct
    ) => PutAsync(engine, containerId, spec, owned, [], ct);

    /// <param name="owned">folders of volumes that the program is to own</param>
    /// <param name="placed">files of the console's, in order</param>
    public async Task PutAsync(
        IContainerEngine engine,
        string containerId,
        JobSpec spec,
        IReadOnlyList<string> owned,
        IReadOnlyList<PlacedFile> placed,
        CancellationToken ct
    )
    {
        if (spec.Code is null && spec.Script is null && owned.Count == 0 && placed.Count == 0)
        {
            return;
        }
        var pipe = new Pipe();
        var write = WriteAsync(pipe.Writer, spec, owned, placed, ct);
        ExceptionDispatchInfo? refused = null;
        try
        {
            await using var tar = pipe.Reader.AsStream();
            await engine.PutArchiveAsync(containerId, "/", tar, ct);
        }
        catch (Exception e) when (e is EngineException or EngineUnreachableException)
        {
            refused = ExceptionDispatchInfo.Capture(e);
        }
        // Where reading the archive failed, that is the cause; where the engine did, what is still written goes nowhere
        await write;
        refused?.Throw();
    }

    private async Task WriteAsync(
        PipeWriter pipe,
        JobSpec spec,
        IReadOnlyList<string> owned,
        IReadOnlyList<PlacedFile> placed,
        CancellationToken ct
    )
    {
        var whole = false;
        try
        {
            await using var tar = pipe.AsStream(leaveOpen: true);
            var writer = new CodeTarWriter(tar);
            foreach (var path in owned)
            {
                await writer.AddRootFolderAsync(path, ct);
            }
            foreach (var file in placed)
            {
                await (
                    file.Content is { } content
                        ? writer.AddRootFileAsync(file.Path, file.Mode, content, ct)
                        : writer.AddRootFolderAsync(file.Path, file.Mode, ct)
                );
            }
            if (spec.Code is not null || spec.Script is not null)
            {
                await writer.BeginAsync(ct);
            }
            if (spec.Code is { } digest)
            {
                await using var archive = File.OpenRead(folder.PathOf(digest));
                await CodeArchives.AddAsync(archive, writer, CodeLimits.Default, ct);
            }
            if (spec.Script is { } script)
            {
                var file = ScriptFile.From(script);
                await writer.AddProgramAsync(file.Name, file.Content, ct);
            }
            await writer.EndAsync(ct);
            whole = true;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw new EngineException(EngineErrorKind.Other, $"its code cannot be read: {e.Message}", e);
        }
        finally
        {
            // A plain end would pass for the end of the tar
            await pipe.CompleteAsync(whole ? null : new IOException("the tar could not be written to its end"));
        }
    }
}
