using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Tenancy;

namespace DeepLab.Web.Boards;

/// <summary>The development environments.</summary>
public sealed class EnvironmentsBoard(
    Actor actor,
    EnvironmentQueries environments,
    ChangeFeed feed,
    TimeProvider time,
    ILogger<EnvironmentsBoard> logger
) : WindowedBoard<EnvironmentRow>(feed, time, logger)
{
    public override Task<(IReadOnlyList<EnvironmentRow> Rows, int Total)> WindowAsync(
        int skip,
        int take,
        CancellationToken ct
    ) => environments.WindowAsync(actor, Filter, skip, take, ct);
}
