using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DeepLab.Api.Tests.Errors;

/// <summary>
/// Connections whose server has prepared statements of the names that their client gives the next ones, as one is left by a
/// statement that was given up while it was being prepared.
/// </summary>
public sealed class LostPlansTests(ApiHost host)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nobody_is_told_of_them()
    {
        var database = host.Services.GetRequiredService<NpgsqlDataSource>();
        var taken = new List<NpgsqlConnection>();
        for (var i = 0; i < 8; i++)
        {
            taken.Add(await database.OpenConnectionAsync(Ct));
        }
        foreach (var connection in taken)
        {
            await TaintAsync(connection);
            await connection.DisposeAsync();
        }
        using var client = host.Admin();
        // A statement is prepared once it was used a few times
        for (var i = 0; i < 12; i++)
        {
            foreach (var path in (string[])["jobs", "queue", "hosts", "clusters", "teams", "environments", "volumes"])
            {
                using var answer = await client.GetAsync($"/api/v1/{path}", Ct);
                Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}, {i}: {answer.StatusCode}");
            }
        }
    }

    private static async Task TaintAsync(NpgsqlConnection connection)
    {
        await using var ask = new NpgsqlCommand("select name from pg_prepared_statements", connection);
        var known = new HashSet<string>(StringComparer.Ordinal);
        await using (var reader = await ask.ExecuteReaderAsync(Ct))
        {
            while (await reader.ReadAsync(Ct))
            {
                known.Add(reader.GetString(0));
            }
        }
        var names = Enumerable.Range(0, 100).Select(n => $"_auto{n.ToString(CultureInfo.InvariantCulture)}");
        foreach (var name in names.Except(known, StringComparer.Ordinal))
        {
            await using var prepare = new NpgsqlCommand($"prepare {name} as select 1", connection);
            await prepare.ExecuteNonQueryAsync(Ct);
        }
    }
}
