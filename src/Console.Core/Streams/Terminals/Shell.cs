using System.Globalization;
using System.Text;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Streams.Terminals;

/// <summary>A shell that has begun: the image's bash where it has one, else its sh.</summary>
/// <param name="Pid">as the container counts</param>
/// <param name="FirstWords">what came after its number</param>
internal sealed record Shell(IEngineTerminal Door, int Pid, byte[] FirstWords)
{
    private const int MostFirst = 4096;

    /// <summary>Its number comes first, so that it can be ended: an engine tells it only as its own host counts.</summary>
    private const string Begin = "echo $$; if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

    private const string End = """
        kill -HUP "$1" 2>/dev/null || exit 0
        n=0
        while kill -0 "$1" 2>/dev/null; do
          n=$((n + 1))
          [ $n -le 20 ] || { kill -KILL "$1"; exit 0; }
          sleep 0.1
        done
        """;

    private static readonly Dictionary<string, string> s_env = new()
    {
        ["TERM"] = "xterm-256color",
        ["COLORTERM"] = "truecolor",
    };

    /// <summary>Hangs up, as a terminal that is closed does; who does not listen is killed after two seconds.</summary>
    public static string[] Killer(int pid) => ["/bin/sh", "-c", End, "sh", pid.ToString(CultureInfo.InvariantCulture)];

    /// <summary>Null where the image has no shell.</summary>
    /// <exception cref="EngineException">The container does not run.</exception>
    /// <exception cref="EngineUnreachableException">The engine does not answer.</exception>
    public static async Task<Shell?> BeginAsync(IContainerEngine engine, string containerId, CancellationToken ct)
    {
        var door = await engine.OpenTerminalAsync(containerId, ["/bin/sh", "-c", Begin], s_env, ct);
        try
        {
            var first = new byte[MostFirst];
            var length = 0;
            while (length < first.Length)
            {
                var count = await door.ReadAsync(new ArraySegment<byte>(first, length, first.Length - length), ct);
                length += count;
                var line = first.AsSpan(0, length).IndexOf((byte)'\n');
                if (
                    line > 0
                    && int.TryParse(
                        Encoding.ASCII.GetString(first, 0, line).Trim(),
                        NumberStyles.None,
                        CultureInfo.InvariantCulture,
                        out var pid
                    )
                )
                {
                    return new Shell(door, pid, first[(line + 1)..length]);
                }
                if (count == 0)
                {
                    break;
                }
            }
            if (await door.ExitCodeAsync(ct) is 126 or 127)
            {
                door.Dispose();
                return null;
            }
            throw new EngineException(EngineErrorKind.Other, "The shell did not begin.");
        }
        catch
        {
            door.Dispose();
            throw;
        }
    }
}
