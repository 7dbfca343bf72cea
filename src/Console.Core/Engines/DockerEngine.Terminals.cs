using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Programs on terminals.</summary>
public sealed partial class DockerEngine
{
    public async Task<IEngineTerminal> OpenTerminalAsync(
        string id,
        IReadOnlyList<string> argv,
        IReadOnlyDictionary<string, string> env,
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
                            Env = [.. env.Select(e => $"{e.Key}={e.Value}")],
                            TTY = true,
                            AttachStdin = true,
                            AttachStdout = true,
                            AttachStderr = true,
                        },
                        bounded
                    )
                ).ID,
            ct
        );
        var stream = await CallAsync(
            Ordinary,
            (connection, bounded) =>
                connection.Client.Exec.StartContainerExecAsync(
                    exec,
                    new ContainerExecStartParameters { TTY = true },
                    bounded
                ),
            ct
        );
        return new Terminal(this, exec, stream);
    }

    private sealed class Terminal(DockerEngine engine, string exec, MultiplexedStream stream) : IEngineTerminal
    {
        public Task<int> ReadAsync(ArraySegment<byte> into, CancellationToken ct) =>
            engine.CallAsync(
                Unbounded,
                async (_, bounded) =>
                {
                    var read = await stream.ReadOutputAsync(into.Array!, into.Offset, into.Count, bounded);
                    return read.EOF ? 0 : read.Count;
                },
                ct
            );

        public Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken ct) =>
            engine.CallAsync(
                Unbounded,
                (_, bounded) => stream.WriteAsync(bytes.ToArray(), 0, bytes.Length, bounded),
                ct
            );

        public Task ResizeAsync(int columns, int rows, CancellationToken ct) =>
            engine.CallAsync(
                Ordinary,
                (client, bounded) =>
                    client.Exec.ResizeExecTtyAsync(
                        exec,
                        new ContainerResizeParameters { Width = columns, Height = rows },
                        bounded
                    ),
                ct
            );

        public Task<int?> ExitCodeAsync(CancellationToken ct) =>
            engine.CallAsync(
                Ordinary,
                async (connection, bounded) =>
                {
                    var end = await connection.Client.Exec.InspectContainerExecAsync(exec, bounded);
                    return end.Running ? null : (int?)end.ExitCode;
                },
                ct
            );

        public void Dispose() => stream.Dispose();
    }
}
