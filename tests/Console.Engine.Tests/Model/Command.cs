using System.Globalization;
using CsCheck;
using DeepLab.Core.Reconcile;

namespace DeepLab.Engine.Tests.Model;

/// <summary>What a program does when it is left alone, and when it is asked to end.</summary>
/// <param name="Fails">its first so many rounds end with <paramref name="Code"/>, later ones with 0</param>
/// <param name="OnTerm">exit code on SIGTERM; one that traps it and ends with 0 is no success all the same</param>
internal sealed record Script(int Seconds, int Fails, int Code, int OnTerm)
{
    public const string Shell = """
        trap "exit $MODEL_TERM" TERM; echo "round $DEEPLAB_ATTEMPT"
        sleep "$MODEL_SECONDS" & wait $!
        echo done; [ "$DEEPLAB_ATTEMPT" -gt "$MODEL_FAILS" ] || exit "$MODEL_CODE"
        """;

    public int CodeOf(int round) => round > Fails ? 0 : Code;

    public IEnumerable<KeyValuePair<string, string>> ToEnv() =>
        [
            new("MODEL_SECONDS", Seconds.ToString(CultureInfo.InvariantCulture)),
            new("MODEL_FAILS", Fails.ToString(CultureInfo.InvariantCulture)),
            new("MODEL_CODE", Code.ToString(CultureInfo.InvariantCulture)),
            new("MODEL_TERM", OnTerm.ToString(CultureInfo.InvariantCulture)),
        ];

    public static Script Read(IReadOnlyDictionary<string, string> env)
    {
        int Number(string name) => int.Parse(env[name], CultureInfo.InvariantCulture);
        return new Script(Number("MODEL_SECONDS"), Number("MODEL_FAILS"), Number("MODEL_CODE"), Number("MODEL_TERM"));
    }
}

/// <summary>How the replicas of a job belong together.</summary>
internal enum Bond
{
    Peers,

    /// <summary>Peers of which one is enough for a round.</summary>
    Elastic,
    Array,
}

/// <param name="MaxSeconds">its longest allowed duration, far from what the script takes; null = none</param>
internal sealed record Wish(
    int Gpus,
    int Replicas,
    Script Script,
    int MaxRestarts,
    int Priority,
    bool Preemptible,
    Bond Bond,
    string Team,
    int? MaxSeconds
);

/// <summary>
/// What users, operators and misfortune do. A number that picks something is taken modulo what there is by then, so that
/// a sequence keeps its meaning when parts of it are taken away.
/// </summary>
internal abstract record Command
{
    public sealed record Submit(Wish Wish) : Command;

    /// <summary>The same request again, with the same key: its answer may have been lost.</summary>
    public sealed record SubmitAgain(int Which) : Command;

    public sealed record CloneJob(int Which) : Command;

    public sealed record Stop(int Which) : Command;

    public sealed record Delete(int Which) : Command;

    /// <param name="Gpus">null = no limit</param>
    public sealed record EditQuota(string Team, int? Gpus) : Command;

    public sealed record AddHost(int Gpus) : Command;

    public sealed record TakeOut(int Which) : Command;

    /// <param name="Seconds">until what still runs is queued again; null = it waits for the end</param>
    public sealed record Drain(int Which, int? Seconds) : Command;

    public sealed record Disable(int Which) : Command;

    public sealed record Activate(int Which) : Command;

    /// <summary>An operator says that a host is dead; one that answers refuses that.</summary>
    public sealed record Fence(int Which) : Command;

    /// <summary>The cable is pulled: what runs goes on.</summary>
    public sealed record Lose(int Which) : Command;

    /// <summary>Whatever kept the host away is over.</summary>
    public sealed record Return(int Which) : Command;

    /// <summary>SIGTERM to the engine, which ends its containers first; it comes back at once, or by <see cref="Return"/>.</summary>
    public sealed record StopEngine(int Which, bool ComesBack) : Command;

    /// <summary>SIGKILL to the engine; its containers run on.</summary>
    public sealed record KillEngine(int Which) : Command;

    /// <summary>The machine loses power and starts again: exit code 255 for all that ran.</summary>
    public sealed record PowerCycle(int Which) : Command;

    /// <summary>The next call of the verb reaches the engine and is done; its answer does not come back.</summary>
    public sealed record DropReply(int Which, string Verb) : Command;

    /// <summary>The next call of the verb does not reach the engine.</summary>
    public sealed record DropCall(int Which, string Verb) : Command;

    /// <summary>An operator removes a running container by hand.</summary>
    public sealed record Vanish(int Which) : Command;

    /// <summary>The console dies where it is and is started again.</summary>
    public sealed record Kill : Command;

    /// <summary>The console will die at this step, if it comes to it before the next command of this kind, and is started again.</summary>
    public sealed record KillAt(string Failpoint) : Command;

    /// <summary>All connections to the database break.</summary>
    public sealed record CutDatabase : Command;

    /// <summary>The database refuses connections for a while.</summary>
    public sealed record CloseDatabase(int Seconds) : Command;

    public sealed record Advance(int Seconds) : Command;
}

/// <summary>Random commands, weighted so that most of what is asked for gets to run.</summary>
internal static class Commands
{
    public static readonly string[] Teams = ["red", "blue"];
    private static readonly string[] s_engineVerbs =
    [
        "CreateAsync",
        "StartAsync",
        "StopAsync",
        "RemoveAsync",
        "InspectAsync",
        "ListAsync",
        "PutArchiveAsync",
    ];

    private static readonly Gen<int> s_which = Gen.Int[0, 999];

    private static readonly Gen<Script> s_script = Gen.Select(
        Gen.Int[1, 20],
        Gen.Frequency((6, Gen.Const(0)), (3, Gen.Int[1, 2]), (1, Gen.Const(99))),
        Gen.OneOf(1, 3, 137),
        Gen.OneOf(143, 0, 7),
        (seconds, fails, code, term) => new Script(seconds, fails, code, term)
    );

    private static readonly Gen<Wish> s_wish = Gen.Select(
        Gen.Select(Gen.Frequency((2, Gen.Const(0)), (5, Gen.Const(1)), (2, Gen.Const(2))), Gen.Int[1, 2]),
        s_script,
        Gen.Frequency((2, Gen.Const(0)), (3, Gen.Int[1, 3])),
        Gen.OneOf(40, 50, 60),
        Gen.Select(Gen.Bool, Gen.OneOf(Enum.GetValues<Bond>())),
        Gen.OneOf(Teams),
        Gen.Frequency((8, Gen.Const(false)), (1, Gen.Const(true))),
        (size, script, restarts, priority, may, team, limited) =>
            new Wish(
                size.Item1,
                size.Item2,
                // A limit is far from what the program takes: which comes first is no matter of chance
                limited ? script with { Seconds = 60, Fails = 0 } : script,
                restarts,
                priority,
                may.Item1,
                may.Item2,
                team,
                limited ? 5 : null
            )
    );

    private static readonly Gen<int?> s_quota = Gen.Frequency(
        (1, Gen.Const((int?)null)),
        (3, Gen.Int[0, 5].Select(n => (int?)n))
    );

    /// <summary>For a lab in memory, whose clock is a command.</summary>
    public static Gen<Command> Fake { get; } =
        Gen.Frequency(
            (22, Users(s_wish)),
            (9, Operators),
            (9, Machines),
            (2, Picked((i, verb) => new Command.DropReply(i, verb))),
            (2, Picked((i, verb) => new Command.DropCall(i, verb))),
            (1, Which(i => new Command.Vanish(i))),
            (1, Gen.Const((Command)new Command.Kill())),
            (2, Gen.OneOf([.. Failpoints.All]).Select(f => (Command)new Command.KillAt(f))),
            (1, Gen.Const((Command)new Command.CutDatabase())),
            (1, Gen.Int[1, 15].Select(s => (Command)new Command.CloseDatabase(s))),
            (24, Gen.Int[1, 12].Select(s => (Command)new Command.Advance(s))),
            // Past the grace of a host
            (1, Gen.Const((Command)new Command.Advance(50)))
        );

    /// <summary>For real engines, whose calls cannot be dropped one by one, and whose programs take real time.</summary>
    public static Gen<Command> Real { get; } =
        Gen.Frequency(
            (
                26,
                Users(
                    s_wish.Select(w =>
                        w with
                        {
                            Script = w.Script with { Seconds = w.MaxSeconds is null ? 1 + w.Script.Seconds / 7 : 20 },
                            MaxSeconds = w.MaxSeconds is null ? null : 2,
                        }
                    )
                )
            ),
            (7, Operators),
            (5, Machines),
            (1, Which(i => new Command.Vanish(i))),
            (1, Gen.Const((Command)new Command.Kill())),
            (1, Gen.OneOf([.. Failpoints.All]).Select(f => (Command)new Command.KillAt(f))),
            (1, Gen.Const((Command)new Command.CutDatabase())),
            (1, Gen.Int[1, 4].Select(s => (Command)new Command.CloseDatabase(s))),
            (12, Gen.Int[1, 3].Select(s => (Command)new Command.Advance(s)))
        );

    private static Gen<Command> Users(Gen<Wish> wish) =>
        Gen.Frequency(
            (10, wish.Select(w => (Command)new Command.Submit(w))),
            (2, Which(i => new Command.SubmitAgain(i))),
            (2, Which(i => new Command.CloneJob(i))),
            (5, Which(i => new Command.Stop(i))),
            (2, Which(i => new Command.Delete(i)))
        );

    private static Gen<Command> Operators =>
        Gen.Frequency(
            (3, Gen.Select(Gen.OneOf(Teams), s_quota, (team, gpus) => (Command)new Command.EditQuota(team, gpus))),
            (2, Gen.Int[1, 4].Select(n => (Command)new Command.AddHost(n))),
            (1, Which(i => new Command.TakeOut(i))),
            (
                2,
                Gen.Select(
                    s_which,
                    Gen.OneOf<int?>(null, 0, 5, 20),
                    (i, seconds) => (Command)new Command.Drain(i, seconds)
                )
            ),
            (1, Which(i => new Command.Disable(i))),
            (6, Which(i => new Command.Activate(i))),
            (1, Which(i => new Command.Fence(i)))
        );

    private static Gen<Command> Machines =>
        Gen.Frequency(
            (2, Which(i => new Command.Lose(i))),
            (6, Which(i => new Command.Return(i))),
            (2, Gen.Select(s_which, Gen.Bool, (i, back) => (Command)new Command.StopEngine(i, back))),
            (1, Which(i => new Command.KillEngine(i))),
            (1, Which(i => new Command.PowerCycle(i)))
        );

    private static Gen<Command> Which(Func<int, Command> make) => s_which.Select(make);

    private static Gen<Command> Picked(Func<int, string, Command> make) =>
        Gen.Select(s_which, Gen.OneOf(s_engineVerbs), make);
}
