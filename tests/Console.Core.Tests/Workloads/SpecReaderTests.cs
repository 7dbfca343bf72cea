using System.Text;
using System.Text.Json.Nodes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SpecReaderTests
{
    private const string Least = """{"name":"digits","image":"pytorch-cpu","roles":[{"name":"worker"}]}""";
    private static readonly string Digest = "sha256:" + new string('a', 64);

    private static readonly string Full = $$"""
        { "name": "digits", "cluster": "local", "image": "pytorch-cpu", "code": "{{Digest}}", "script": "#!/bin/sh\necho ok\n",
          "roles": [ { "name": "worker", "replicas": 2, "command": ["python3", "train.py", "--epochs", "5"],
                       "resources": { "gpus": 1, "gpuModel": "A100", "gpuMemory": "40GiB", "cpus": 1.25, "memory": "2GiB", "shm": 1073741824 } } ],
          "env": { "OMP_NUM_THREADS": "1", "_x": "" }, "volumes": [],
          "checkpoint": { "everySteps": 500 }, "restart": { "maxRestarts": 3 }, "priority": 70, "maxDuration": "1.02:00:00" }
        """;

    private static JobSpec Good(string json)
    {
        var read = SpecReader.Read(json);
        Assert.Empty(read.Errors);
        return read.Spec!;
    }

    private static string Changed(string path, string value)
    {
        var root = JsonNode.Parse(Full)!;
        var node = root;
        var parts = path.Split('/');
        foreach (var part in parts[..^1])
        {
            node = int.TryParse(part, out var i) ? node[i]! : node[part]!;
        }
        if (int.TryParse(parts[^1], out var at))
        {
            node[at] = JsonNode.Parse(value);
        }
        else
        {
            node[parts[^1]] = JsonNode.Parse(value);
        }
        return root.ToJsonString();
    }

    private static string Text(char c, int count) => $"\"{new string(c, count)}\"";

    [Fact]
    public void The_least_spec_has_the_defaults()
    {
        var spec = Good(Least);
        Assert.Equal("local", spec.Cluster);
        Assert.Equal(50, spec.Priority);
        Assert.Null(spec.MaxDuration);
        Assert.Null(spec.Checkpoint);
        var role = Assert.Single(spec.Roles);
        Assert.Equal(1, role.Replicas);
        Assert.Empty(role.Command);
        Assert.Equal(new ResourcesSpec(), role.Resources);
    }

    [Fact]
    public void Every_field_is_read()
    {
        var spec = Good(Full);
        Assert.Equal("digits", spec.Name);
        Assert.Equal(Digest, spec.Code);
        Assert.Equal("#!/bin/sh\necho ok\n", spec.Script);
        Assert.Equal(["python3", "train.py", "--epochs", "5"], spec.Roles[0].Command);
        Assert.Equal(2, spec.Roles[0].Replicas);
        Assert.Equal(
            new ResourcesSpec
            {
                Gpus = 1,
                GpuModel = "A100",
                GpuMemory = 40L << 30,
                Cpus = 1.25,
                Memory = 2L << 30,
                Shm = 1L << 30,
            },
            spec.Roles[0].Resources
        );
        Assert.Equal(2, spec.GpusAsked);
        Assert.Equal("1", spec.Env["OMP_NUM_THREADS"]);
        Assert.Equal("", spec.Env["_x"]);
        Assert.Equal(500, spec.Checkpoint!.EverySteps);
        Assert.Equal(3, spec.Restart.MaxRestarts);
        Assert.Equal(70, spec.Priority);
        Assert.Equal(TimeSpan.FromHours(26), spec.MaxDuration);
    }

    [Fact]
    public void Null_is_absent_for_optional_keys()
    {
        var spec = Good(
            """{"name":"a","image":"img","code":null,"script":null,"maxDuration":null,"checkpoint":null,"roles":[{"name":"w","resources":{"gpuModel":null}}]}"""
        );
        Assert.Null(spec.Code);
        Assert.Null(spec.Checkpoint);
    }

    [Theory]
    [InlineData("name", "\"0.a_b-c\"")]
    [InlineData("image", "\"docker.io/library/python:3.12\"")]
    [InlineData("priority", "0")]
    [InlineData("priority", "100")]
    [InlineData("maxDuration", "\"00:00:01\"")]
    [InlineData("maxDuration", "\"365.00:00:00\"")]
    [InlineData("roles/0/replicas", "256")]
    [InlineData("roles/0/resources/gpus", "1024")]
    [InlineData("roles/0/resources/cpus", "0.01")]
    [InlineData("roles/0/resources/cpus", "1024")]
    [InlineData("roles/0/resources/memory", "\"6MiB\"")]
    [InlineData("roles/0/resources/memory", "\"64TiB\"")]
    [InlineData("roles/0/resources/memory", "\"1.5GiB\"")]
    [InlineData("roles/0/resources/memory", "\"2 GB\"")]
    [InlineData("restart/maxRestarts", "100")]
    [InlineData("checkpoint/everySteps", "1000000000")]
    [InlineData("env/nvidia_visible_devices", "\"lower case is another name\"")]
    [InlineData("roles/0/command/3", "\"\"")]
    public void The_edges_of_a_range_are_inside(string at, string value) => Good(Changed(at, value));

    public static TheoryData<string, string, string, string> Wrong() =>
        new()
        {
            { "name", "\"\"", "name", "small letters" },
            { "name", Text('a', 64), "name", "1 to 63" },
            { "name", "\"Digits\"", "name", "small letters" },
            { "name", "\"-a\"", "name", "beginning with a letter or digit" },
            { "name", "\"a\\u0007\"", "name", "\\u0007" },
            { "name", "\"a\\n\"", "name", "small letters" },
            { "name", "\"a\\u0000\"", "name", "NUL" },
            { "name", "7", "name", "a number" },
            { "name", "null", "name", "missing" },
            { "cluster", "\"a b\"", "cluster", "small letters" },
            { "image", "\"-v\"", "image", "not an image reference" },
            { "image", "true", "image", "text is allowed" },
            { "code", "\"sha256:abc\"", "code", "64 hexadecimal" },
            { "code", "\"md5:\"", "code", "64 hexadecimal" },
            { "script", "\"  \"", "script", "empty" },
            { "script", Text('a', (256 << 10) + 1), "script", "262,144" },
            { "script", "\"a\\u0000b\"", "script", "NUL" },
            { "roles", "[]", "roles", "1 to 16 are allowed" },
            { "roles", "{}", "roles", "a list is allowed" },
            { "roles", "null", "roles", "missing" },
            { "roles", """[{"name":"a"},{"name":"a"}]""", "roles[1]", "a name of its own" },
            { "roles", """[{"name":"a","replicas":200},{"name":"b","replicas":57}]""", "roles", "257 replicas" },
            { "preemptible", "1", "preemptible", "true or false" },
            { "team", "\"A team\"", "team", "small letters" },
            { "placement", "[]", "placement", "an object is allowed" },
            { "placement", """{"mode":"near"}""", "placement.mode", "pack, sameHost, spread" },
            { "placement", """{"hostLabels":{"a b":"c"}}""", "placement.hostLabels[\"a b\"]", "letters, digits" },
            { "placement", """{"hostLabels":{"zone":1}}""", "placement.hostLabels.zone", "text is allowed" },
            { "placement", """{"excludeHosts":["Gpu 1"]}""", "placement.excludeHosts[0]", "small letters" },
            { "roles/0", "\"worker\"", "roles[0]", "an object is allowed" },
            { "roles/0/name", "\"0w\"", "roles[0].name", "beginning with a letter" },
            { "roles/0/name", Text('a', 32), "roles[0].name", "1 to 31" },
            { "roles/0/name", "null", "roles[0].name", "missing" },
            { "roles/0/replicas", "0", "roles[0].replicas", "1 to 256" },
            { "roles/0/replicas", "257", "roles[0].replicas", "1 to 256" },
            { "roles/0/replicas", "1.5", "roles[0].replicas", "whole number" },
            { "roles/0/replicas", "\"2\"", "roles[0].replicas", "whole number" },
            { "roles/0/command", "\"python3 train.py\"", "roles[0].command", "list of arguments" },
            { "roles/0/command", """["", "a"]""", "roles[0].command[0]", "empty" },
            { "roles/0/command/1", "3", "roles[0].command[1]", "text is allowed" },
            { "roles/0/command/1", "null", "roles[0].command[1]", "text is allowed" },
            { "roles/0/command/1", "\"a\\u0000\"", "roles[0].command[1]", "NUL" },
            { "roles/0/command", $"[{string.Join(',', Enumerable.Repeat("\"a\"", 257))}]", "roles[0].command", "256" },
            { "roles/0/command", $"[{Text('a', 40000)},{Text('b', 40000)}]", "roles[0].command", "65,536" },
            { "roles/0/resources", "[]", "roles[0].resources", "an object is allowed" },
            { "roles/0/resources/gpus", "-1", "roles[0].resources.gpus", "0 to 1,024" },
            { "roles/0/resources/gpus", "1000000000", "roles[0].resources.gpus", "0 to 1,024" },
            { "roles/0/resources/gpus", "1e400", "roles[0].resources.gpus", "0 to 1,024" },
            { "roles/0/resources/gpus", "0.5", "roles[0].resources.gpus", "whole number" },
            { "roles/0/resources/gpus", "true", "roles[0].resources.gpus", "whole number" },
            { "roles/0/resources/gpuModel", "\"\"", "roles[0].resources.gpuModel", "1 to 100" },
            { "roles/0/resources/gpuModel", "\"a\\tb\"", "roles[0].resources.gpuModel", "control" },
            { "roles/0/resources/gpuMemory", "0", "roles[0].resources.gpuMemory", "1B to 64TiB" },
            { "roles/0/resources/cpus", "0", "roles[0].resources.cpus", "0.01" },
            { "roles/0/resources/cpus", "1024.01", "roles[0].resources.cpus", "1,024" },
            { "roles/0/resources/cpus", "0.125", "roles[0].resources.cpus", "two decimals" },
            { "roles/0/resources/cpus", "1e400", "roles[0].resources.cpus", "two decimals" },
            { "roles/0/resources/cpus", "\"1\"", "roles[0].resources.cpus", "two decimals" },
            { "roles/0/resources/memory", "6291455", "roles[0].resources.memory", "6MiB to 64TiB" },
            { "roles/0/resources/memory", "\"65TiB\"", "roles[0].resources.memory", "64TiB" },
            { "roles/0/resources/memory", "\"2gib\"", "roles[0].resources.memory", "\"2gib\"" },
            { "roles/0/resources/memory", "\"-1GiB\"", "roles[0].resources.memory", "GiB" },
            { "roles/0/resources/memory", "\"1e9\"", "roles[0].resources.memory", "bytes" },
            { "roles/0/resources/memory", "1e400", "roles[0].resources.memory", "bytes" },
            { "roles/0/resources/memory", "[]", "roles[0].resources.memory", "a list" },
            { "roles/0/resources/shm", "1", "roles[0].resources.shm", "64KiB" },
            { "env", "[]", "env", "an object of names" },
            { "env/OMP_NUM_THREADS", "1", "env.OMP_NUM_THREADS", "text is allowed" },
            { "env/OMP_NUM_THREADS", "\"a\\u0000\"", "env.OMP_NUM_THREADS", "NUL" },
            { "env/OMP_NUM_THREADS", Text('a', (32 << 10) + 1), "env.OMP_NUM_THREADS", "32,768" },
            { "env/1A", "\"\"", "env[\"1A\"]", "not beginning with a digit" },
            { "env/A=B", "\"\"", "env[\"A=B\"]", "letters, digits" },
            { "env/NVIDIA_VISIBLE_DEVICES", "\"all\"", "env.NVIDIA_VISIBLE_DEVICES", "reserved" },
            { "env/NVIDIA_DRIVER_CAPABILITIES", "\"all\"", "env.NVIDIA_DRIVER_CAPABILITIES", "reserved" },
            { "env/NVIDIA_MIG_CONFIG_DEVICES", "\"all\"", "env.NVIDIA_MIG_CONFIG_DEVICES", "reserved" },
            { "env/CUDA_VISIBLE_DEVICES", "\"0\"", "env.CUDA_VISIBLE_DEVICES", "reserved" },
            { "env/LD_PRELOAD", "\"./x.so\"", "env.LD_PRELOAD", "reserved" },
            { "env/LD_AUDIT", "\"./x.so\"", "env.LD_AUDIT", "reserved" },
            { "env/DEEPLAB_JOB", "\"1\"", "env.DEEPLAB_JOB", "reserved" },
            { "env/MASTER_ADDR", "\"1\"", "env.MASTER_ADDR", "reserved" },
            { "env/RANK", "\"1\"", "env.RANK", "reserved" },
            { "env/WORLD_SIZE", "\"1\"", "env.WORLD_SIZE", "reserved" },
            { "env/TF_CONFIG", "\"1\"", "env.TF_CONFIG", "reserved" },
            {
                "volumes",
                """[{"name":"datasets","mountPath":"/etc"}]""",
                "volumes[0].mountPath",
                "belongs to the image"
            },
            { "volumes", "7", "volumes", "a list is allowed" },
            { "checkpoint", "7", "checkpoint", "an object is allowed" },
            { "checkpoint/volume", "\"C!\"", "checkpoint.volume", "small letters" },
            { "checkpoint/keep", "0", "checkpoint.keep", "1 to 1,000" },
            { "checkpoint/keep", "1001", "checkpoint.keep", "1 to 1,000" },
            { "checkpoint/bestBy", "\"loss\"", "checkpoint.bestBy", "where \"keep\" says how many" },
            { "checkpoint/best", "\"least\"", "checkpoint.best", "where \"bestBy\" names one" },
            { "checkpoint/glob", "\"../x\"", "checkpoint.glob", "below the checkpoint folder" },
            { "checkpoint/glob", "\"/x\"", "checkpoint.glob", "below the checkpoint folder" },
            { "checkpoint/glob", "\"\"", "checkpoint.glob", "1 to 200" },
            { "checkpoint/everySteps", "0", "checkpoint.everySteps", "1 to 1,000,000,000" },
            { "checkpoint/everySteps", "1000000001", "checkpoint.everySteps", "1 to 1,000,000,000" },
            { "restart/maxRestarts", "101", "restart.maxRestarts", "0 to 100" },
            { "restart/maxRestarts", "-1", "restart.maxRestarts", "0 to 100" },
            { "priority", "101", "priority", "0 to 100" },
            { "priority", "-1", "priority", "0 to 100" },
            { "maxDuration", "\"00:00:00\"", "maxDuration", "00:00:01" },
            { "maxDuration", "\"365.00:00:01\"", "maxDuration", "365.00:00:00" },
            { "maxDuration", "\"24:00:00\"", "maxDuration", "d.hh:mm:ss" },
            { "maxDuration", "\"2h\"", "maxDuration", "hh:mm:ss" },
            { "maxDuration", "7200", "maxDuration", "text is allowed" },
            { "privileged", "true", "privileged", "There is no key" },
            { "ownerId", "\"x\"", "ownerId", "There is no key" },
            { "state", "\"Running\"", "state", "There is no key" },
            { "Name", "\"x\"", "Name", "write \"name\"" },
            { "imagee", "\"x\"", "imagee", "did you mean \"image\"" },
            { "gpus", "1", "gpus", "roles[0].resources.gpus" },
            { "command", "[]", "command", "roles[0].command" },
            { "roles/0/priority", "1", "roles[0].priority", "at the top of the spec" },
            { "roles/0/resources/GPUs", "1", "roles[0].resources.GPUs", "write \"gpus\"" },
            { "roles/0/resources/gpu", "1", "roles[0].resources.gpu", "did you mean \"gpus\"" },
            { "restart/policy", "\"always\"", "restart.policy", "allowed are maxRestarts" },
            { "a.b", "1", "[\"a.b\"]", "There is no key" },
        };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_is_wrong_is_said_at_its_path(string at, string value, string path, string says)
    {
        var read = SpecReader.Read(Changed(at, value));
        Assert.Null(read.Spec);
        var error = Assert.Single(read.Errors);
        Assert.Equal(path, error.Path);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Matches(@"[.?]\z", error.Message);
        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.True(error.Message.Length < 300, error.Message);
    }

    [Fact]
    public void Every_case_at_once_is_reported_at_once()
    {
        var read = SpecReader.Read(
            """
            { "name": "Bad", "name": "again", "image": "-v", "code": 1, "script": "", "priority": 1e400, "maxDuration": "x", "gpus": 1,
              "roles": [ { "name": "W", "replicas": 0, "command": "x",
                           "resources": { "gpus": -1, "cpus": 0, "memory": 1, "shm": "x", "gpuMemory": "y", "gpuModel": "" } } ],
              "env": { "LD_PRELOAD": "x", "A": 1 }, "volumes": [ {} ], "checkpoint": { "keep": 0, "everySteps": 0 },
              "restart": { "maxRestarts": 1000 }, "cluster": "" }
            """
        );
        Assert.Null(read.Spec);
        Assert.Equal(
            [
                "checkpoint.everySteps",
                "checkpoint.keep",
                "cluster",
                "code",
                "env.A",
                "env.LD_PRELOAD",
                "gpus",
                "image",
                "maxDuration",
                "name",
                "name",
                "priority",
                "restart.maxRestarts",
                "roles[0].command",
                "roles[0].name",
                "roles[0].replicas",
                "roles[0].resources.cpus",
                "roles[0].resources.gpuMemory",
                "roles[0].resources.gpuModel",
                "roles[0].resources.gpus",
                "roles[0].resources.memory",
                "roles[0].resources.shm",
                "script",
                "volumes[0].mountPath",
                "volumes[0].name",
            ],
            read.Errors.Select(e => e.Path).Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void Describing_gpus_without_asking_for_one_is_said()
    {
        var read = SpecReader.Read(
            """{"name":"a","image":"img","roles":[{"name":"w","resources":{"gpuModel":"A100","gpuMemory":"1GiB"}}]}"""
        );
        Assert.Equal(["roles[0].resources.gpuModel", "roles[0].resources.gpuMemory"], read.Errors.Select(e => e.Path));
    }

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "an object is allowed")]
    [InlineData("null", "an object is allowed")]
    [InlineData("{\"name\":NaN}", "not JSON: line 1, byte 9")]
    [InlineData("{} {}", "follows")]
    [InlineData("{\"name\":\"a\",}", "not JSON")]
    [InlineData("{/*x*/}", "not JSON")]
    public void What_is_not_an_object_is_refused(string json, string says) =>
        Assert.Contains(says, SpecReader.Read(json).Errors[0].Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(33)]
    [InlineData(10_000)]
    public void Depth_is_bounded(int depth)
    {
        var json = $"{{\"name\":{new string('[', depth)}{new string(']', depth)}}}";
        Assert.Equal([new SpecError("", "The JSON is nested deeper than 32 levels.")], SpecReader.Read(json).Errors);
    }

    [Fact]
    public void Size_is_bounded() =>
        Assert.Contains(
            "1 MiB",
            Assert.Single(SpecReader.Read(new byte[(1 << 20) + 1]).Errors).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_hostile_number_of_errors_stays_bounded()
    {
        var json = "{" + string.Join(',', Enumerable.Range(0, 50_000).Select(i => $"\"k{i}\":1")) + "}";
        var read = SpecReader.Read(json);
        Assert.Equal(SpecErrors.Limit + 1, read.Errors.Count);
        Assert.Contains("more errors", read.Errors[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_many_variables_are_refused_as_one()
    {
        var json = Changed(
            "env",
            "{" + string.Join(',', Enumerable.Range(0, 10_000).Select(i => $"\"K{i}\":\"\"")) + "}"
        );
        Assert.Equal(
            [new SpecError("env", "There are 10,000 variables; at most 1,000 are allowed.")],
            SpecReader.Read(json).Errors
        );
    }

    [Fact]
    public void The_environment_is_bounded_in_all()
    {
        var value = new string('v', 30_000);
        var json = Changed(
            "env",
            "{" + string.Join(',', Enumerable.Range(0, 9).Select(i => $"\"K{i}\":\"{value}\"")) + "}"
        );
        Assert.Contains("262,144", Assert.Single(SpecReader.Read(json).Errors).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"name\":\"\\ud800\"}")]
    [InlineData("{\"\\udc00\":1}")]
    [InlineData("{\"roles\":[{\"resources\":{\"memory\":\"\\ud800\",\"gpus\":\"\\ud800\"}}]}")]
    public void Half_a_surrogate_pair_is_an_error_not_a_crash(string json) =>
        Assert.Contains(SpecReader.Read(json).Errors, e => e.Message.Contains("Unicode", StringComparison.Ordinal));

    [Fact]
    public void Bytes_that_are_not_utf8_are_an_error_not_a_crash()
    {
        byte[] json = [.. Encoding.UTF8.GetBytes("{\"name\":\""), 0xff, 0xc3, .. Encoding.UTF8.GetBytes("\"}")];
        Assert.NotEmpty(SpecReader.Read(json).Errors);
        Assert.NotEmpty(SpecReader.Read("{\"name\":\"\ud800\"}").Errors);
    }

    [Fact]
    public void A_doubled_key_is_reported_once_wherever_it_stands()
    {
        var read = SpecReader.Read(
            """{"name":"a","image":"img","image":"img2","image":"img3","roles":[{"name":"w","resources":{"gpus":1,"gpus":2}}],"env":{"A":"1","A":"2"}}"""
        );
        Assert.Equal(["image", "roles[0].resources.gpus", "env.A"], read.Errors.Select(e => e.Path));
        Assert.All(read.Errors, e => Assert.Contains("more than once", e.Message, StringComparison.Ordinal));
    }
}
