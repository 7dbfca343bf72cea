using System.Globalization;
using System.Linq.Expressions;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.History;

/// <summary>Terms of a search as conditions of the database.</summary>
internal static class SearchFilter
{
    public static IQueryable<Workload> Matching(
        this IQueryable<Workload> runs,
        ConsoleDb db,
        IReadOnlyList<SearchTerm> terms
    )
    {
        foreach (var term in terms)
        {
            var met = Met(db, term);
            runs = runs.Where(
                term.Not ? Expression.Lambda<Func<Workload, bool>>(Expression.Not(met.Body), met.Parameters) : met
            );
        }
        return runs;
    }

    /// <summary>`%text%`, with what means something in a pattern taken literally.</summary>
    public static string Part(string text) =>
        "%" + text.Replace("\\", "\\\\").Replace("%", "\\%").Replace("_", "\\_") + "%";

    private static Expression<Func<Workload, bool>> Met(ConsoleDb db, SearchTerm term)
    {
        var texts = term.Texts.ToArray();
        var text = texts.FirstOrDefault() ?? "";
        var part = Part(text);
        switch (term.Field)
        {
            case SearchField.Name:
                return w => EF.Functions.ILike(w.Name, part, "\\");
            case SearchField.Owner when texts is [_]:
                return w => w.OwnerName == text;
            case SearchField.Owner:
                return w => texts.Contains(w.OwnerName);
            case SearchField.Team when texts is [_]:
                return w => w.TeamName == text;
            case SearchField.Team:
                return w => texts.Contains(w.TeamName);
            case SearchField.Host:
                // As the operator of the index
                return w => w.HostNames.Any(h => texts.Contains(h));
            case SearchField.State when term.States is [var state]:
                // Not one of a list: then the index gives the newest first, and a long history is not walked
                return w => w.State == state;
            case SearchField.State:
                var states = term.States.ToArray();
                return w => states.Contains(w.State);
            case SearchField.Reason when term.Reasons is [var reason]:
                return w => w.Reason == reason;
            case SearchField.Reason:
                var reasons = term.Reasons.ToArray();
                return w => reasons.Contains(w.Reason);
            case SearchField.Image:
                return w => db.Texts.Any(t => t.WorkloadId == w.Id && EF.Functions.ILike(t.Image, part, "\\"));
            case SearchField.Command:
                return w => db.Texts.Any(t => t.WorkloadId == w.Id && EF.Functions.ILike(t.Command, part, "\\"));
            case SearchField.Label:
                return w => w.LabelTerms.Any(l => texts.Contains(l));
            case SearchField.Gpu:
                return w => EF.Functions.ILike(w.GpuModels, part, "\\");
            case SearchField.Note:
                return w => EF.Functions.ILike(w.Notes, part, "\\");
            case SearchField.Metric:
                return Metric(db, text, term.Bound);
            case SearchField.Pinned:
                var pinned = term.Flag;
                return w => w.Pinned == pinned;
            case SearchField.Id or SearchField.Gpus or SearchField.Origin:
                return Numbers(term);
            case SearchField.Submitted or SearchField.Started or SearchField.Ended:
                return Times(term);
            default:
                return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                    ? w => w.Id == number || EF.Functions.ILike(w.Name, part, "\\")
                    : w => EF.Functions.ILike(w.Name, part, "\\");
        }
    }

    private static Expression<Func<Workload, bool>> Metric(ConsoleDb db, string name, MetricBound? bound)
    {
        var value = bound?.Value ?? 0;
        return bound switch
        {
            null => w => db.RunMetrics.Any(m => m.WorkloadId == w.Id && m.Name == name),
            { Above: true, OrEqual: true } => w =>
                db.RunMetrics.Any(m => m.WorkloadId == w.Id && m.Name == name && m.Greatest >= value),
            { Above: true } => w =>
                db.RunMetrics.Any(m => m.WorkloadId == w.Id && m.Name == name && m.Greatest > value),
            { OrEqual: true } => w =>
                db.RunMetrics.Any(m => m.WorkloadId == w.Id && m.Name == name && m.Least <= value),
            _ => w => db.RunMetrics.Any(m => m.WorkloadId == w.Id && m.Name == name && m.Least < value),
        };
    }

    private static Expression<Func<Workload, bool>> Numbers(SearchTerm term)
    {
        var from = term.Numbers.From ?? long.MinValue;
        var to = term.Numbers.To ?? long.MaxValue;
        return term.Field switch
        {
            SearchField.Id => w => w.Id >= from && w.Id <= to,
            SearchField.Gpus => w => w.GpusAsked >= from && w.GpusAsked <= to,
            _ => w => w.OriginId != null && w.OriginId >= from && w.OriginId <= to,
        };
    }

    private static Expression<Func<Workload, bool>> Times(SearchTerm term)
    {
        // The ends of the calendar are no times of the database
        var from = term.Times.From ?? new DateTimeOffset(1, 1, 2, 0, 0, 0, TimeSpan.Zero);
        var to = term.Times.To ?? new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero);
        return term.Field switch
        {
            SearchField.Submitted => w => w.SubmittedAt >= from && w.SubmittedAt < to,
            SearchField.Started => w => w.StartedAt != null && w.StartedAt >= from && w.StartedAt < to,
            _ => w => w.EndedAt != null && w.EndedAt >= from && w.EndedAt < to,
        };
    }
}
