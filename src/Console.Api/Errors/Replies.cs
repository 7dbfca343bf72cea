using DeepLab.Core.Operations;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace DeepLab.Api.Errors;

/// <summary>What verbs answered that have nothing to tell, over HTTP.</summary>
internal static class Replies
{
    /// <summary>204, or why it was not done.</summary>
    /// <param name="what">what was looked for, such as `job`</param>
    public static Results<NoContent, ProblemHttpResult> Done<T>(Outcome<T> outcome, string what) =>
        outcome is Outcome<T>.Done ? TypedResults.NoContent() : Problems.Of(outcome, what);

    /// <summary>201 with the address of what was made, or why it was not.</summary>
    /// <param name="list">address of those of its kind, such as `/api/v1/volumes`</param>
    public static Results<Created, ProblemHttpResult> Made(Outcome<string> outcome, string list, string what) =>
        outcome is Outcome<string>.Done { Value: var name }
            ? TypedResults.Created($"{list}/{name}")
            : Problems.Of(outcome, what);
}
