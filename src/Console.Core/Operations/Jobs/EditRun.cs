using System.Globalization;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>What is to be changed of what people write on a run; null = as it is.</summary>
/// <param name="Labels">all of them, in place of those of before</param>
/// <param name="Pinned">it stays in the history, however old it gets</param>
public sealed record RunEdit(
    IReadOnlyDictionary<string, string>? Labels = null,
    string? Notes = null,
    bool? Pinned = null
)
{
    /// <summary>Characters of the notes.</summary>
    public const int LongestNotes = 4000;

    /// <summary>What is wrong with the notes; null where nothing is. Labels come through <see cref="SpecLabels.Read"/>.</summary>
    public SpecError? WhyNot =>
        Notes is null ? null
        : Notes.Length > LongestNotes
            ? new SpecError(
                "notes",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The notes have {Notes.Length:N0} characters; at most {LongestNotes:N0} are allowed."
                )
            )
        : Notes.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t'))
            ? new SpecError("notes", "The notes hold a control character; text, with line ends and tabs, is allowed.")
        : null;
}

/// <summary>Labels, notes, and the pin of a job, whatever its state. Again is fine.</summary>
public sealed class EditRun(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<long>> RunAsync(Actor actor, long id, RunEdit edit, CancellationToken ct)
    {
        if (edit.WhyNot is { } wrong)
        {
            return Task.FromResult<Outcome<long>>(new Outcome<long>.Refused([wrong]));
        }
        return Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                var now = time.GetUtcNow();
                var changed = new List<string>();
                if (edit.Labels is { } labels && !IsSame(labels, w.Labels))
                {
                    w.SetLabels(labels);
                    changed.Add(labels.Count == 0 ? "took its labels off" : $"labelled it {InWords(w)}");
                }
                if (edit.Notes is { } notes && notes != w.Notes)
                {
                    w.Notes = notes;
                    changed.Add(notes.Length == 0 ? "took its notes away" : "wrote its notes");
                }
                if (edit.Pinned is { } pinned && pinned != w.Pinned)
                {
                    w.Pinned = pinned;
                    changed.Add(pinned ? "pinned it" : "unpinned it");
                }
                if (changed.Count > 0)
                {
                    db.AddEvent(w, now, actor.UserName, "edited", Reason.None, string.Join(", ", changed));
                    db.AddAudit(now, actor.UserName, "job.edit", $"job {id}");
                }
                return null;
            },
            ct,
            WorkloadKind.Job
        );
    }

    private static bool IsSame(IReadOnlyDictionary<string, string> a, Dictionary<string, string> b) =>
        a.Count == b.Count && a.All(l => b.TryGetValue(l.Key, out var text) && text == l.Value);

    private static string InWords(Workload w)
    {
        const int Shown = 5;
        var words = w.Labels.Take(Shown).Select(l => l.Value.Length == 0 ? l.Key : $"{l.Key}={l.Value}");
        return string.Join(", ", words) + (w.Labels.Count > Shown ? $" and {w.Labels.Count - Shown} more" : "");
    }
}
