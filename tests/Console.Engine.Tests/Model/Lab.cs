using Npgsql;

namespace DeepLab.Engine.Tests.Model;

internal enum Heard
{
    Done,

    /// <summary>Refused by a rule, and nothing was changed.</summary>
    Refused,

    /// <summary>No answer came: it may or may not be done.</summary>
    Nothing,
}

/// <param name="Id">of the job, where there is one</param>
/// <param name="Why">the sentence of a refusal</param>
internal readonly record struct Answer(Heard Heard, long Id = 0, string Why = "");

/// <summary>A running container that belongs to an attempt.</summary>
internal sealed record RunningContainer(string Host, string Id, long AttemptId, IReadOnlyList<string> Gpus);

/// <summary>A console, its database and its hosts, on which commands are carried out: in memory or real.</summary>
internal interface ILab : IAsyncDisposable
{
    /// <summary>The checker's own way to the database, which no cut ends.</summary>
    NpgsqlDataSource Sql { get; }

    /// <summary>Hosts that are entered, by name, in the order in which they came.</summary>
    IReadOnlyList<string> Hosts { get; }

    Task<Answer> SubmitAsync(Wish wish, string key, CancellationToken ct);
    Task<Answer> CloneAsync(long id, CancellationToken ct);
    Task<Answer> StopAsync(long id, CancellationToken ct);
    Task<Answer> DeleteAsync(long id, CancellationToken ct);

    /// <summary>Commands that touch no job; false where this lab cannot do it, or it was not said that it is done.</summary>
    Task<bool> DoAsync(Command command, CancellationToken ct);

    /// <summary>Time goes by.</summary>
    Task PassAsync(TimeSpan time, CancellationToken ct);

    /// <summary>By the engines' own word, whoever can hear it.</summary>
    Task<IReadOnlyList<RunningContainer>> RunningAsync(CancellationToken ct);

    /// <summary>Containers of attempts in any state, and what else the engines alone can tell of what must not be.</summary>
    Task<IReadOnlyList<string>> TroublesAsync(bool atRest, CancellationToken ct);

    /// <summary>May a program of this job have ended by itself already?</summary>
    Task<bool> MayHaveEndedAsync(long jobId, CancellationToken ct);

    /// <summary>Whatever is broken is mended: the database open, the console up, each host there and active, no quota.</summary>
    Task HealAsync(CancellationToken ct);

    /// <summary>Forgets what the last sequence left; called at rest.</summary>
    Task ResetAsync(CancellationToken ct);

    /// <summary>What the console said last, for who looks into a failure.</summary>
    string Log { get; }
}
