using System.Text.Json;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>Where the code came from, as whoever submitted says it. It is kept and compared, and never run.</summary>
public sealed record GitSpec
{
    /// <summary>40 or 64 hexadecimal digits.</summary>
    public required string Commit { get; init; }
    public string? Repository { get; init; }
    public string? Branch { get; init; }

    /// <summary>What stood in the working copy beside the commit, as `git diff` tells it; null = nothing.</summary>
    public string? Diff { get; init; }
}

/// <summary>The `git` of a spec.</summary>
internal static partial class SpecGit
{
    /// <summary>Bytes of UTF-8.</summary>
    public const int MaxDiffBytes = 256 << 10;
    private static readonly string[] s_keys = ["commit", "repository", "branch", "diff"];

    public static GitSpec? Read(SpecNode? node)
    {
        if (node is not { } given || SpecObject.Read(given, s_keys, _ => null) is not { } git)
        {
            return null;
        }
        var commit = git.Need("commit", "the commit's whole hash");
        var hash = commit?.Text(4096);
        if (hash is not null && !HashPattern().IsMatch(hash))
        {
            commit!.Value.Fail(
                $"This is {SpecText.Quote(hash)}; 40 or 64 hexadecimal digits in small letters are allowed, as `git rev-parse HEAD` tells them."
            );
        }
        return new GitSpec
        {
            Commit = hash ?? "",
            Repository = git.Find("repository")?.Line(1, 400),
            Branch = git.Find("branch")?.Line(1, 255),
            Diff = git.Find("diff")?.Text(MaxDiffBytes) is { Length: > 0 } diff ? diff : null,
        };
    }

    public static void Write(Utf8JsonWriter w, GitSpec git)
    {
        w.WriteStartObject("git");
        w.WriteString("commit", git.Commit);
        if (git.Repository is { } repository)
        {
            w.WriteString("repository", repository);
        }
        if (git.Branch is { } branch)
        {
            w.WriteString("branch", branch);
        }
        if (git.Diff is { } diff)
        {
            w.WriteString("diff", diff);
        }
        w.WriteEndObject();
    }

    [GeneratedRegex(@"^(?:[0-9a-f]{40}|[0-9a-f]{64})\z", RegexOptions.NonBacktracking)]
    private static partial Regex HashPattern();
}
