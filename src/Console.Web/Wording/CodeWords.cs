using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Wording;

/// <summary>What is known of the code that a job ran; and said where nothing is.</summary>
public static class CodeWords
{
    public static (string Short, string Long) Of(JobSpec? spec)
    {
        var git = spec?.Git is { } g ? $"commit {g.Commit[..12]}{(g.Diff is null ? "" : " with changes")}" : null;
        var (brief, full) = spec switch
        {
            null => ("not known", "its spec does not read back"),
            { Code: { } digest } => ($"archive {digest[7..19]}", $"an uploaded archive, {digest}"),
            { Script: { } script } => (
                $"script {Digest(script)[..12]}",
                $"a script in its spec, sha256:{Digest(script)}"
            ),
            { Volumes.IsEmpty: false } => (
                "image or volume",
                "its own is in the image, or on a volume; what a volume held then is not kept"
            ),
            _ => ("in the image", "whatever its image holds"),
        };
        return git is null
            ? (brief, full)
            : ($"{git}, {brief}", $"{spec!.Git!.Repository} {spec.Git.Branch} {spec.Git.Commit}; {full}".Trim());
    }

    private static string Digest(string script) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(script)));
}
