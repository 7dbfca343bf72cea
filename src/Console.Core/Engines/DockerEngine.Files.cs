using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Programs and files inside a container.</summary>
public sealed partial class DockerEngine
{
    /// <summary>A program that we run inside a container and that says nothing for this long is given up.</summary>
    private static readonly TimeSpan ExecIdle = TimeSpan.FromSeconds(60);
    private const int StderrHead = 4 << 10;

    /// <summary>Of a file mode as the engine writes it (Go, os.ModeDir).</summary>
    private const uint FolderMode = 1u << 31;

    public async Task<ExecResult> ExecAsync(
        string id,
        IReadOnlyList<string> argv,
        Func<ReadOnlyMemory<byte>, ValueTask> onOutput,
        CancellationToken ct
    )
    {
        var exec = await CallAsync(
            Ordinary,
            async (connection, bounded) =>
                (
                    await connection.Client.Exec.CreateContainerExecAsync(
                        id,
                        new ContainerExecCreateParameters
                        {
                            Cmd = [.. argv],
                            AttachStdout = true,
                            AttachStderr = true,
                        },
                        bounded
                    )
                ).ID,
            ct
        );
        using var output = await CallAsync(
            Ordinary,
            (connection, bounded) =>
                connection.Client.Exec.StartContainerExecAsync(exec, new ContainerExecStartParameters(), bounded),
            ct
        );
        var stderr = await ReadExecAsync(output, onOutput, ct);
        return await CallAsync(
            Ordinary,
            async (connection, bounded) =>
            {
                var end = await connection.Client.Exec.InspectContainerExecAsync(exec, bounded);
                return new ExecResult((int)(end.ExitCode ?? -1), stderr);
            },
            ct
        );
    }

    private async Task<string> ReadExecAsync(
        MultiplexedStream output,
        Func<ReadOnlyMemory<byte>, ValueTask> onOutput,
        CancellationToken ct
    )
    {
        var buffer = new byte[64 << 10];
        var stderr = new MemoryStream();
        while (true)
        {
            var read = await CallAsync(
                ExecIdle,
                (_, bounded) => output.ReadOutputAsync(buffer, 0, buffer.Length, bounded),
                ct
            );
            if (read.EOF)
            {
                return Encoding.UTF8.GetString(stderr.GetBuffer(), 0, (int)stderr.Length);
            }
            if (read.Target == MultiplexedStream.TargetStream.StandardOut)
            {
                await onOutput(buffer.AsMemory(0, read.Count));
            }
            else if (stderr.Length < StderrHead)
            {
                stderr.Write(buffer, 0, Math.Min(read.Count, StderrHead - (int)stderr.Length));
            }
        }
    }

    public Task PutArchiveAsync(string id, string path, Stream tar, CancellationToken ct) =>
        CallAsync(
            Slow,
            (client, bounded) =>
                client.Containers.ExtractArchiveToContainerAsync(
                    id,
                    new CopyToContainerParameters { Path = path },
                    tar,
                    bounded
                ),
            ct
        );

    // The engine answers this question without a body, so that what is not there cannot be told apart
    public async Task<PathStat?> StatAsync(string id, string path, CancellationToken ct)
    {
        try
        {
            var stat = (await ReadPathAsync(id, path, statOnly: true, Ordinary, ct)).Stat;
            return new PathStat(((uint)stat.Mode & FolderMode) != 0, new DateTimeOffset(stat.Mtime.ToUniversalTime()));
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound)
        {
            return null;
        }
    }

    public async Task<Stream?> GetArchiveAsync(string id, string path, CancellationToken ct)
    {
        try
        {
            return (await ReadPathAsync(id, path, statOnly: false, Slow, ct)).Stream is { } tar
                ? new ArchiveStream(tar)
                : null;
        }
        catch (EngineException e) when (e.Kind == EngineErrorKind.NotFound && !e.Message.Contains("No such container"))
        {
            return null;
        }
    }

    private Task<ContainerArchiveResponse> ReadPathAsync(
        string id,
        string path,
        bool statOnly,
        TimeSpan bound,
        CancellationToken ct
    ) =>
        CallAsync(
            bound,
            (connection, bounded) =>
                connection.Client.Containers.GetArchiveFromContainerAsync(
                    id,
                    new ContainerPathStatParameters { Path = path },
                    statOnly,
                    bounded
                ),
            ct
        );
}
