using System.Globalization;
using DeepLab.Api.Errors;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http.HttpResults;

namespace DeepLab.Api;

/// <summary>Lists are `{ items, next }`; `next` goes into `cursor` of the next call and is null at the end.</summary>
internal static class Paging
{
    public const int DefaultLimit = 50;
    public const int MostLimit = 200;

    /// <summary>The problem where the limit is out of its range, else null.</summary>
    public static ProblemHttpResult? Refuse(int limit) =>
        limit is >= 1 and <= MostLimit
            ? null
            : Problems.Invalid([new SpecError("limit", $"The limit is {limit}; 1 to {MostLimit} is allowed.")]);

    /// <summary>As above, of a list whose cursor counts what came before.</summary>
    public static ProblemHttpResult? RefuseSkip(string? cursor, int limit, out int skip)
    {
        skip = 0;
        return cursor is null || int.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out skip)
            ? Refuse(limit)
            : Problems.Invalid([
                new SpecError("cursor", "It is not a cursor of this list; use the `next` of an earlier answer."),
            ]);
    }

    /// <summary>A page of such a list.</summary>
    public static Page<T> From<T>(IReadOnlyList<T> items, int skip, int limit) =>
        new(items, items.Count < limit ? null : (skip + limit).ToString(CultureInfo.InvariantCulture));

    /// <summary>A list that is always whole.</summary>
    public static Page<T> All<T>(IReadOnlyList<T> items) => new(items, null);
}
