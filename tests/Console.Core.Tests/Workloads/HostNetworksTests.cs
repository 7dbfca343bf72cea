using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class HostNetworksTests
{
    [Fact]
    public void A_job_on_its_hosts_networks_is_written_so_and_every_other_as_before()
    {
        var spec = Read("peers", """ "network":"host", """).Spec!;
        Assert.True(spec.HostNetwork);
        var text = SpecWriter.Write(spec);
        Assert.Contains(""" "network":"host","roles" """.Trim(), text);
        Assert.Equal(text, SpecWriter.Write(SpecReader.ReadStored(text).Spec!));
        Assert.DoesNotContain("network", SpecWriter.Write(Read("peers", "").Spec!));
        Assert.Equal(Read("peers", "").Spec, Read("peers", """ "network":"own", """).Spec, SameText);
    }

    [Theory]
    [InlineData("peers", """ "network":"bridge", """, "network", "one of own, host is allowed")]
    [InlineData("array", """ "network":"host", """, "network", "meet nobody")]
    [InlineData("mpi", """ "network":"host", """, "network", "bridges")]
    [InlineData("peers", """ "network":"host", """, "roles[0].restartScope", "\"gang\" is allowed", "replica")]
    public void Where_it_cannot_be_had_is_told(
        string topology,
        string network,
        string path,
        string told,
        string scope = "gang"
    )
    {
        var error = Assert.Single(Read(topology, network, scope).Errors);
        Assert.Equal(path, error.Path);
        Assert.Contains(told, error.Message);
    }

    [Fact]
    public void An_environment_has_a_network_that_its_host_publishes_ports_of()
    {
        var json = """
            {"name":"n","image":"i","network":"host","roles":[{"name":"environment"}],"environment":{"jupyter":true}}
            """;
        Assert.Contains(
            SpecReader.Read(json).Errors,
            e => e.Path == "network" && e.Message.Contains("publishes", StringComparison.Ordinal)
        );
    }

    private static bool SameText(JobSpec? a, JobSpec? b) => SpecWriter.Write(a!) == SpecWriter.Write(b!);

    private static SpecReading Read(string topology, string network, string scope = "gang") =>
        SpecReader.Read(
            $$"""{"name":"n","image":"i","topology":"{{topology}}",{{network}}"roles":[{"name":"a","replicas":2,"command":["x"],"restartScope":"{{scope}}"}]}"""
        );
}
