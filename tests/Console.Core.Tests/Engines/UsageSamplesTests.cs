using System.Text.Json;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

public sealed class UsageSamplesTests
{
    private const string Sample = """
        {"read":"2026-07-01T12:00:00.5Z","pids_stats":{"current":3},
         "blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"READ","value":100},{"op":"Write","value":7},{"op":"Sync","value":9}]},
         "cpu_stats":{"cpu_usage":{"total_usage":2500000000,"percpu_usage":[1,2]}},
         "memory_stats":{"usage":1000,"limit":5000,"stats":{INACTIVE}},
         "networks":{"eth0":{"rx_bytes":10,"tx_bytes":20},"eth1":{"rx_bytes":1,"tx_bytes":2}}}
        """;

    [Theory]
    [InlineData("\"total_inactive_file\":400,\"inactive_file\":1", 600)]
    [InlineData("\"inactive_file\":300", 700)]
    [InlineData("\"inactive_file\":3000", 1000)]
    [InlineData("", 1000)]
    public void Counts_as_the_engines_own_client_does(string inactive, long memory)
    {
        var usage = UsageSamples.From(Read(Sample.Replace("INACTIVE", inactive)));
        Assert.Equal(
            new ContainerUsage(
                new DateTimeOffset(2026, 7, 1, 12, 0, 0, 500, TimeSpan.Zero),
                2.5,
                memory,
                5000,
                11,
                22,
                100,
                7,
                3
            ),
            usage
        );
    }

    [Fact]
    public void The_empty_sample_of_an_ended_container_is_none() =>
        Assert.Null(
            UsageSamples.From(
                Read(
                    """{"read":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}}"""
                )
            )
        );

    private static StatsMessage Read(string json) => JsonSerializer.Deserialize(json, EngineJson.Default.StatsMessage)!;
}
