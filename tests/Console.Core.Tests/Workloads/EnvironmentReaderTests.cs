using System.Text;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class EnvironmentReaderTests
{
    private const string Key = SshKeyTests.Ed25519;

    private const string Full = $$"""
        { "name": "notes", "cluster": "local", "team": "vision", "image": "pytorch-cpu", "gpus": 2, "gpuModel": "A100", "cpus": 1.5,
          "memory": "2GiB", "shm": "1GiB", "volumes": [ { "name": "datasets", "mountPath": "/data" } ],
          "datasets": [ { "name": "digits", "version": 2, "path": "/home/lab/digits" } ], "env": { "A": "1" },
          "jupyter": { "password": "a secret word" }, "tensorboard": true, "ssh": { "keys": [ "{{Key}} me" ] },
          "ports": [ { "name": "app", "port": 7860 } ], "idleAfter": "02:00:00", "priority": 60 }
        """;

    private static EnvironmentReading Read(string json) => EnvironmentReader.Read(Encoding.UTF8.GetBytes(json));

    private static string With(string keys) => $$"""{"name":"a","image":"img",{{keys}}}""";

    [Fact]
    public void Every_field_becomes_a_spec_of_one_role_with_one_replica()
    {
        var read = Read(Full);
        Assert.Empty(read.Errors);
        var spec = read.Spec!;
        Assert.Equal(WorkloadKind.Environment, spec.Kind);
        var role = Assert.Single(spec.Roles);
        Assert.Equal(
            (EnvironmentSpec.Role, 1, 2, 1.5),
            (role.Name, role.Replicas, spec.GpusAsked, role.Resources.Cpus)
        );
        Assert.Equal("a secret word", read.Password);
        Assert.Equal([new DatasetMount("digits", 2, "/home/lab/digits")], spec.Datasets);
        var environment = spec.Environment!;
        Assert.Equal([$"{Key} me"], environment.SshKeys.AsEnumerable());
        Assert.Equal(TimeSpan.FromHours(2), environment.IdleAfter);
        Assert.Equal(
            ["jupyter:8888", "tensorboard:6006", "ssh:2222", "app:7860"],
            environment.Doors().Select(d => $"{d.Name}:{d.Port}")
        );
    }

    [Fact]
    public void What_is_stored_reads_back_as_the_same_and_holds_no_password()
    {
        var text = SpecWriter.Write(Read(Full).Spec!);
        Assert.DoesNotContain("secret", text);
        var again = SpecReader.ReadStored(text);
        Assert.Empty(again.Errors);
        Assert.Equal(text, SpecWriter.Write(again.Spec!));
        Assert.DoesNotContain("\"environment\":{", SpecWriter.Write(again.Spec! with { Environment = null }));
    }

    [Fact]
    public void The_least_one_has_jupyter_and_the_idle_time_of_the_installation()
    {
        var environment = Read("""{"name":"a","image":"img"}""").Spec!.Environment!;
        Assert.Equal(
            (true, false, false, null),
            (environment.Jupyter, environment.TensorBoard, environment.Ssh, environment.IdleAfter)
        );
        Assert.Equal(TimeSpan.Zero, Read(With("\"idleAfter\":\"never\"")).Spec!.Environment!.IdleAfter);
    }

    [Theory]
    [InlineData("\"password\":\"x\"", "password", "jupyter.password")]
    [InlineData("\"roles\":[]", "roles", "no key")]
    [InlineData("\"jupyter\":{\"password\":\"short\"}", "jupyter.password", "8 to 200")]
    [InlineData("\"jupyter\":{\"password\":\"tab\\tinside it\"}", "jupyter.password", "control")]
    [InlineData("\"jupyter\":{\"password\":7}", "jupyter.password", "8 to 200")]
    [InlineData(
        "\"ssh\":{},\"jupyter\":{\"enabled\":false,\"password\":\"long enough\"}",
        "jupyter.password",
        "Jupyter is off"
    )]
    [InlineData("\"jupyter\":{\"enabled\":false}", "", "no door")]
    [InlineData("\"jupyter\":true", "jupyter", "an object")]
    [InlineData("\"ssh\":{\"keys\":[\"nonsense\"]}", "ssh.keys[0]", "no OpenSSH public key")]
    [InlineData("\"ports\":[{\"name\":\"ssh\",\"port\":7000}]", "ports[0].name", "the console's own")]
    [InlineData("\"ports\":[{\"name\":\"a\",\"port\":80}]", "ports[0].port", "1,024")]
    [InlineData("\"ports\":[{\"name\":\"a\",\"port\":8888}]", "ports[0].port", "the environment's own")]
    [InlineData(
        "\"ports\":[{\"name\":\"a\",\"port\":7000},{\"name\":\"a\",\"port\":7001}]",
        "ports[1].name",
        "of its own"
    )]
    [InlineData(
        "\"ports\":[{\"name\":\"a\",\"port\":7000},{\"name\":\"b\",\"port\":7000}]",
        "ports[1].port",
        "has a name"
    )]
    [InlineData("\"idleAfter\":\"00:00:01\"", "idleAfter", "never")]
    [InlineData("\"volumes\":[{\"name\":\"v\",\"mountPath\":\"/home/lab\"}]", "volumes", "the environment's home")]
    [InlineData(
        "\"volumes\":[{\"name\":\"v\",\"mountPath\":\"/home/lab/.deeplab/x\"}]",
        "volumes",
        "the environment's home"
    )]
    [InlineData(
        "\"datasets\":[{\"name\":\"d\",\"version\":1,\"path\":\"/home/lab/.deeplab\"}]",
        "datasets",
        "the environment's home"
    )]
    [InlineData(
        "\"volumes\":[{\"name\":\"v\",\"mountPath\":\"/data\"}],\"datasets\":[{\"name\":\"d\",\"version\":1,\"path\":\"/data/d\"}]",
        "datasets[0].path",
        "apart from each other"
    )]
    [InlineData("\"datasets\":[{\"name\":\"d\",\"version\":0,\"path\":\"/d\"}]", "datasets[0].version", "1 to")]
    [InlineData("\"final\":true", "final", "no key")]
    [InlineData("\"gpus\":-1", "gpus", "0 to 1,024")]
    public void What_is_wrong_is_told_at_its_field(string keys, string path, string part)
    {
        var read = Read(With(keys));
        Assert.Null(read.Spec);
        var error = Assert.Single(read.Errors);
        Assert.Equal(path, error.Path);
        Assert.Contains(part, error.Message);
    }

    [Fact]
    public void A_password_that_is_refused_is_not_told_back_and_no_other_error_hides_it()
    {
        var read = Read(With("\"jupyter\":{\"password\":\"abc\"},\"gpus\":\"many\",\"cluster\":\"A b\""));
        Assert.Equal(["cluster", "gpus", "jupyter.password"], read.Errors.Select(e => e.Path).Order());
        Assert.DoesNotContain(read.Errors, e => e.Message.Contains("abc"));
    }

    [Theory]
    [InlineData(
        "\"code\":\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"roles\":[{\"name\":\"environment\"}]",
        "code"
    )]
    [InlineData("\"script\":\"true\",\"roles\":[{\"name\":\"environment\"}]", "script")]
    [InlineData("\"roles\":[{\"name\":\"worker\"}]", "roles")]
    [InlineData("\"roles\":[{\"name\":\"environment\",\"replicas\":2}]", "roles")]
    [InlineData("\"roles\":[{\"name\":\"environment\",\"command\":[\"true\"]}]", "roles")]
    public void A_spec_that_is_an_environment_is_nothing_besides(string keys, string path)
    {
        var reading = SpecReader.Read($$"""{"name":"a","image":"img","environment":{},{{keys}}}""");
        Assert.Equal(path, Assert.Single(reading.Errors).Path);
    }
}
