using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class TopologyTests
{
    [Theory]
    [InlineData("parameterServers", "ps:1 worker:2", "worker-0 worker-1")]
    [InlineData("peers", "worker:2", "worker-0 worker-1")]
    [InlineData("chiefEvaluator", "chief:1 worker:1 evaluator:1", "chief-0 worker-0")]
    [InlineData("mpi", "mpi:3", "mpi-0")]
    [InlineData("array", "task:2", "task-0 task-1")]
    public void The_topology_says_which_replicas_decide(string topology, string roles, string deciding)
    {
        var spec = Read(topology, roles).Spec!;
        Assert.Equal(deciding, string.Join(' ', spec.Roles.SelectMany(r => r.Names()).Where(spec.Decides)));
    }

    [Fact]
    public void A_role_says_otherwise_and_is_written_so()
    {
        var spec = SpecReader
            .Read(
                """
                { "name": "n", "image": "i", "topology": "parameterServers", "roles": [ { "name": "ps", "deciding": true },
                  { "name": "worker", "deciding": false, "env": { "B": "2", "A": "1" } } ] }
                """
            )
            .Spec!;
        Assert.True(spec.Decides("ps-0"));
        Assert.False(spec.Decides("worker-0"));
        var text = SpecWriter.Write(spec);
        Assert.Contains(""" "topology":"parameterServers" """.Trim(), text);
        Assert.Contains(""" "env":{"A":"1","B":"2"},"deciding":false """.Trim(), text);
        Assert.Equal(text, SpecWriter.Write(SpecReader.ReadStored(text).Spec!));
    }

    [Theory]
    [InlineData("parameterServers", "server:1", "roles", "needs a role named \"ps\"", "needs a role named \"worker\"")]
    [InlineData("chiefEvaluator", "chief:2 evaluator:3", "roles[0].replicas", "2 of chief", "3 of evaluator")]
    [InlineData("array", "a:1 b:1", "roles", "takes one")]
    [InlineData("mpi", "a:1 b:1", "roles", "takes one")]
    [InlineData("ring", "a:1", "topology", "one of peers, parameterServers, mpi, chiefEvaluator, array is allowed")]
    public void What_a_topology_lacks_is_told_all_at_once(
        string topology,
        string roles,
        string path,
        params string[] told
    )
    {
        var errors = Read(topology, roles).Errors;
        Assert.Equal(path, errors[0].Path);
        Assert.All(told, t => Assert.Contains(errors, e => e.Message.Contains(t)));
        Assert.Equal(told.Length, errors.Count);
    }

    [Fact]
    public void A_role_has_an_image_and_a_restart_scope_of_its_own()
    {
        var spec = SpecReader
            .Read(
                """
                { "name": "n", "image": "i", "topology": "parameterServers", "roles": [ { "name": "ps", "image": "j" },
                  { "name": "worker", "restartScope": "replica" }, { "name": "chief", "image": "j", "restartScope": "gang" } ] }
                """
            )
            .Spec!;
        Assert.Equal(["j", "i", "j"], spec.Roles.Select(spec.ImageOf));
        Assert.Equal([("image", "i"), ("roles[0].image", "j")], spec.NamedImages());
        Assert.Equal(
            [RestartScope.Gang, RestartScope.Replica, RestartScope.Gang],
            spec.Roles.Select(r => r.RestartScope)
        );
        var text = SpecWriter.Write(spec);
        Assert.Contains(""" {"name":"ps","image":"j","replicas":1 """.Trim(), text);
        Assert.Contains(""" "restartScope":"replica","resources" """.Trim(), text);
        Assert.DoesNotContain("gang", text);
        Assert.Equal(text, SpecWriter.Write(SpecReader.ReadStored(text).Spec!));
        Assert.Equal("i ; j", WorkloadText.Of(1, spec).Image);
    }

    [Theory]
    [InlineData("""{"name":"a","image":"A B"}""", "roles[0].image")]
    [InlineData("""{"name":"a","restartScope":"host"}""", "roles[0].restartScope", "one of gang, replica is allowed")]
    [InlineData("""{"name":"a","image":"j"}""", "image", "No role runs this image")]
    [InlineData(
        """{"name":"a","replicas":2,"command":["x"],"restartScope":"replica"}""",
        "roles[0].restartScope",
        "mpi"
    )]
    [InlineData("""{"name":"a","replicas":2,"minReplicas":3}""", "roles[0].minReplicas", "at most its replicas, 2")]
    [InlineData("""{"name":"a","replicas":2,"minReplicas":0}""", "roles[0].minReplicas", "1")]
    [InlineData(
        """{"name":"a","replicas":2,"minReplicas":1},{"name":"b"}""",
        "roles[0].minReplicas",
        "There are 2 roles"
    )]
    [InlineData(
        """{"name":"a","replicas":2,"minReplicas":1,"restartScope":"replica"}""",
        "roles[0].minReplicas",
        "\"gang\" alone"
    )]
    [InlineData("""{"name":"a","replicas":2,"command":["x"],"minReplicas":1}""", "roles[0].minReplicas", "mpi")]
    public void What_is_wrong_with_them_is_told_where_it_stands(string role, string path, string told = "")
    {
        var topology = told == "mpi" ? "mpi" : "peers";
        var error = Assert.Single(
            SpecReader.Read($$"""{"name":"n","image":"i","topology":"{{topology}}","roles":[{{role}}]}""").Errors
        );
        Assert.Equal(path, error.Path);
        Assert.Contains(told, error.Message);
    }

    [Fact]
    public void A_round_of_an_elastic_job_knows_of_its_own_replicas_only()
    {
        var spec = SpecReader
            .Read("""{"name":"n","image":"i","roles":[{"name":"worker","replicas":4,"minReplicas":2}]}""")
            .Spec!;
        var text = SpecWriter.Write(spec);
        Assert.Contains(""" "replicas":4,"minReplicas":2 """.Trim(), text);
        Assert.Equal(text, SpecWriter.Write(SpecReader.ReadStored(text).Spec!));
        Assert.Same(spec, spec.InRound(null));
        var env = ReplicaEnv.Of(spec.InRound(3), "worker-2", 1, 2).ToDictionary(v => v.Name, v => v.Value);
        Assert.Equal(("3", "2", "3"), (env["WORLD_SIZE"], env["RANK"], env["PET_NNODES"]));
        Assert.Equal(
            """{"cluster":{"worker":["worker-0:2222","worker-1:2222","worker-2:2222"]},"task":{"type":"worker","index":2}}""",
            env["TF_CONFIG"]
        );
    }

    [Fact]
    public void Mpi_needs_a_command()
    {
        var error = Assert.Single(Read("mpi", "mpi:2", command: "").Errors);
        Assert.Equal("roles[0].command", error.Path);
    }

    [Fact]
    public void A_job_in_which_nobody_decides_is_refused()
    {
        var errors = SpecReader
            .Read("""{ "name": "n", "image": "i", "roles": [ { "name": "w", "deciding": false } ] }""")
            .Errors;
        Assert.Contains("No role decides", Assert.Single(errors).Message);
    }

    /// <param name="roles">`name:replicas`, with spaces between</param>
    internal static SpecReading Read(string topology, string roles, string command = "\"true\"", int gpus = 0) =>
        SpecReader.Read(
            $$"""
            { "name": "n", "image": "i", "topology": "{{topology}}", "roles": [ {{string.Join(
                ',',
                roles
                    .Split(' ')
                    .Select(r => r.Split(':'))
                    .Select(r =>
                        $$"""{ "name": "{{r[0]}}", "replicas": {{r[1]}}, "command": [{{command}}], "resources": { "gpus": {{gpus}} } }"""
                    )
            )}} ] }
            """
        );
}
