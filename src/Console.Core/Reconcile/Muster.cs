using System.Globalization;
using DeepLab.Core.Engines;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Replicas that meet know each other's names before the first line of their programs runs: each is held by a script until the
/// console, which has seen all of them start, tells it who they are, and until these names resolve. Pure.
/// </summary>
public static class Muster
{
    /// <summary>Path of what runs the script; an image without it is not held.</summary>
    public const string Shell = "/bin/sh";

    // 0755
    private const int Runnable = 0x1ED;
    private const string Own = "/tmp/deeplab";

    /// <summary>Path of the names of the replicas that run, one a line, and at last <see cref="Whole"/>; not there before it is told.</summary>
    public const string List = Own + "/replicas";
    private const string Script = Own + "/muster";
    private const string Whole = "end";

    /// <summary>Seconds for the others to start: one of them may have to pull its image.</summary>
    private const int StartSeconds = 3600;

    /// <summary>Seconds for the names of those that have started.</summary>
    private const int NameSeconds = 30;

    /// <summary>So long after the first list a replica may wait for a name: one that has ended meanwhile has none.</summary>
    public static TimeSpan Longest => TimeSpan.FromSeconds(2 * NameSeconds);

    /// <summary>A lone replica meets nobody, nor does the task of an array.</summary>
    public static bool IsFor(JobSpec spec) =>
        spec.Environment is null && spec.Topology != Topology.Array && spec.Roles.Sum(r => r.Replicas) > 1;

    /// <summary>Whether its start is another script's, which has <see cref="Wait"/> in it.</summary>
    private static bool HasOwnStart(JobSpec spec) => spec.Topology == Topology.Mpi;

    /// <summary>Whether <see cref="Held"/> needs to know what the image starts by itself.</summary>
    public static bool Holds(JobSpec spec) => IsFor(spec) && !HasOwnStart(spec);

    public static IReadOnlyList<PlacedFile> Files(JobSpec spec) =>
        Holds(spec)
            ?
            [
                new PlacedFile(Own, Runnable, null),
                PlacedFile.Of(Script, Runnable, ScriptOf(List, StartSeconds, NameSeconds)),
            ]
            : [];

    /// <summary>What lets them go.</summary>
    public static PlacedFile Told(IEnumerable<string> replicas) =>
        PlacedFile.Of(List, Runnable, string.Concat(replicas.Append(Whole).Select(r => r + "\n")));

    /// <summary>The plan with the script before whatever it would have started; as it is where that is nothing.</summary>
    public static ContainerPlan Held(ContainerPlan plan, ImageInfo image)
    {
        var command = plan.Command.Count > 0 ? plan.Command : image.Command;
        return image.Entrypoint.Count + command.Count == 0
            ? plan
            : plan with
            {
                Entrypoint = [Shell, Script, .. image.Entrypoint],
                Command = command,
            };
    }

    /// <summary>For a script with a function `say`: waits for the others, and goes on without them once it is over.</summary>
    public static string Wait => WaitOf(List, StartSeconds, NameSeconds);

    /// <param name="list">path</param>
    internal static string ScriptOf(string list, int startSeconds, int nameSeconds) =>
        $$"""
            #!/bin/sh
            # Written by the console
            say() { echo "deeplab: $*" >&2; }
            trap 'exit 143' TERM INT
            {{WaitOf(list, startSeconds, nameSeconds)}}
            trap - TERM INT
            exec "$@"

            """;

    private static string WaitOf(string list, int startSeconds, int nameSeconds) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            # Each asks, and says what is not so while it is not
            all_started() {
                told='not all replicas have started'
                while read -r name; do [ "$name" = {{Whole}} ] && return 0; done < {{list}}
                return 1
            }
            all_resolve() {
                while read -r name; do
                    [ "$name" = {{Whole}} ] && return 0
                    told="the name $name did not resolve"
                    getent hosts "$name" || return 1
                done < {{list}}
                return 1
            }
            within() { bound=$1 over=$(($(date +%s) + $1)); }
            # False once it is over
            until_true() {
                until "$@" > /dev/null 2>&1 < /dev/null; do
                    if [ "$(date +%s)" -ge "$over" ]; then
                        say "$told within $bound s; the program begins all the same"
                        return 1
                    fi
                    sleep 0.1
                done
            }
            within {{startSeconds}}
            if until_true all_started && command -v getent > /dev/null; then
                within {{nameSeconds}}
                until_true all_resolve || true
            fi
            """
        );
}
