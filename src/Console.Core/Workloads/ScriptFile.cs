using System.Text;

namespace DeepLab.Core.Workloads;

/// <summary>The file that an inline script becomes. Its first line says how it is run.</summary>
/// <param name="Name">in the workspace</param>
/// <param name="Command">argv</param>
public sealed record ScriptFile(string Name, IReadOnlyList<string> Command, ReadOnlyMemory<byte> Content)
{
    private const string Folder = "/workspace";

    /// <summary>
    /// A first line `#!…` is honoured: the file runs itself, and is called script.py where that line names Python. Without
    /// one it is a script of the plain shell.
    /// </summary>
    public static ScriptFile From(string script)
    {
        // Browsers send forms with CRLF, which would become part of the interpreter's name
        var text = script.ReplaceLineEndings("\n");
        var first = text.AsSpan(0, text.AsSpan().IndexOf('\n') is >= 0 and var end ? end : text.Length);
        var runsItself = first.StartsWith("#!") && !first[2..].IsWhiteSpace();
        var isPython = runsItself && first.Contains("python", StringComparison.Ordinal);
        var name = isPython ? "script.py" : "script.sh";
        var path = $"{Folder}/{name}";
        return new ScriptFile(name, runsItself ? [path] : ["sh", path], Encoding.UTF8.GetBytes(text));
    }
}
