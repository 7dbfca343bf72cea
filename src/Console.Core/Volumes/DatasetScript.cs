namespace DeepLab.Core.Volumes;

/// <summary>
/// What the job that makes a version runs: it reads every file below a folder and writes one line each, `file sha256 size path`, then `total files
/// bytes digest`; or `failed`, with a sentence.
/// </summary>
public static class DatasetScript
{
    /// <summary>Where the volume is mounted in its container.</summary>
    public const string Mount = "/dataset";
    public const string FolderVariable = "DATASET_FOLDER";
    public const string Failed = "failed ";

    public static string Text { get; } =
        $$"""
            #!/bin/sh
            # Written by the console: every file of a dataset with its SHA-256 and size, in the order of the bytes of its path
            set -eu
            LC_ALL=C
            export LC_ALL
            fail() { echo "{{Failed}}$*"; exit 3; }
            say() { echo "$*" >&2; }
            w=$(mktemp -d)
            cd "{{Mount}}/${{{FolderVariable}}}" 2> /dev/null || fail "The volume has no folder \"${{{FolderVariable}}}\" that programs may enter."
            find . -name '*[[:cntrl:]]*' -print > "$w/odd" || fail "Some of its folders may not be read by programs, which run as user $(id -u)."
            [ ! -s "$w/odd" ] || fail 'The name of a file or folder holds a control character, such as a line end; rename it.'
            find . -type f -printf '%P\t%s\n' > "$w/found"
            [ -s "$w/found" ] || fail 'There is no file in it. Links are not followed.'
            # No character of a path comes before the tab
            sort "$w/found" > "$w/sizes"
            say "reads $(wc -l < "$w/sizes") files"
            cut -f 1 "$w/sizes" | tr '\n' '\0' > "$w/names"
            xargs -0 -a "$w/names" sha256sum -- > "$w/sums" || fail "Some of its files could not be read by programs, which run as user $(id -u), or went away meanwhile."
            # A backslash before the sum says that there are some in the name
            sed -e 's/^\\//' "$w/sums" | cut -c 1-64 > "$w/hashes"
            paste "$w/hashes" "$w/sizes" | awk -F '\t' '{ print $1 " " $3 " " $2 }' > "$w/list"
            head -n {{DatasetManifest.MostKept}} "$w/list" | sed -e 's/^/file /'
            bytes=$(awk -F '\t' '{ sum += $2 } END { printf "%.0f", sum }' "$w/sizes")
            echo "total $(wc -l < "$w/list") $bytes $(sha256sum < "$w/list" | cut -c 1-64)"

            """;
}
