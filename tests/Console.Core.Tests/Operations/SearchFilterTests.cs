using DeepLab.Core.Operations.History;
using DeepLab.Core.Storage;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Tests.Operations;

/// <summary>A long history is not walked for what an index tells: the database is asked with the operators of its indexes.</summary>
public sealed class SearchFilterTests
{
    private static string Sql(string query)
    {
        // Nothing is asked of it: it only writes what it would ask
        using var db = new ConsoleDb(
            new DbContextOptionsBuilder<ConsoleDb>().UseNpgsql("Host=nowhere").UseSnakeCaseNamingConvention().Options
        );
        var read = SearchQuery.Read(query, DateTimeOffset.UnixEpoch);
        Assert.Empty(read.Errors);
        var sql = db.Workloads.Matching(db, read.Terms).ToQueryString();
        return sql[sql.IndexOf("WHERE", StringComparison.Ordinal)..].ReplaceLineEndings(" ");
    }

    [Theory]
    [InlineData("label:exp=a", "w.label_terms && @")]
    [InlineData("host:gpu1,gpu2", "w.host_names && @")]
    [InlineData("state:failed", "w.state = @state")]
    [InlineData("submitted:>2026", "w.submitted_at >= @from")]
    [InlineData("origin:7", "w.origin_id >= @from")]
    [InlineData("pinned:yes", "w.pinned")]
    public void A_field_is_looked_up_by_its_index(string query, string expected) =>
        Assert.Contains(expected, Sql(query), StringComparison.Ordinal);
}
