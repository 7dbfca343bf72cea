using DeepLab.Core.Feeds;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The jobs. What is typed to find some is a search of the history.</summary>
public sealed class JobsBoard(
    Actor actor,
    JobQueries jobs,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<JobsBoard> logger
) : WindowedBoard<JobRow>(feed, time, logger)
{
    public override Task<(IReadOnlyList<JobRow> Rows, int Total)> WindowAsync(
        int skip,
        int take,
        CancellationToken ct
    ) => jobs.WindowAsync(actor, Filter with { Search = null, Query = Filter.Search }, skip, take, ct);
}
