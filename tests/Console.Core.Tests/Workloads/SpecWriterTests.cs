using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class SpecWriterTests
{
    [Theory]
    [InlineData("""{"name":"digits","image":"pytorch-cpu","roles":[{"name":"worker"}]}""")]
    [InlineData(
        """
            { "priority": 7, "env": { "B": "é\n\"<>", "A": "1", "a": "2", "_": "" }, "maxDuration": "300.00:00:01", "checkpoint": { "glob": "w/**/at-?.bin", "keep": 3, "bestBy": "val/acc", "best": "greatest", "volume": "kept", "everySteps": 7 },
              "roles": [ { "resources": { "shm": 1073741825, "memory": "1.5GiB", "cpus": 0.10, "gpus": 3, "gpuMemory": 1, "gpuModel": "H100 PCIe" },
                           "command": ["a", "b c", ""], "replicas": 4, "name": "w" } ],
              "script": "#!/bin/sh\n\techo \u0001 ok", "image": "r.example:5000/a/b:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "restart": { "maxRestarts": 9 }, "cluster": "other", "name": "x" }
            """
    )]
    public void What_is_written_reads_back_as_the_same(string json)
    {
        var first = SpecReader.Read(json).Spec!;
        var text = SpecWriter.Write(first);
        var again = SpecReader.Read(text);
        Assert.Empty(again.Errors);
        Assert.Equal(first with { Roles = [], Env = again.Spec!.Env }, again.Spec with { Roles = [] });
        Assert.Equal(first.Env.AsEnumerable(), again.Spec.Env.AsEnumerable());
        Assert.Equal(first.Roles[0] with { Command = [] }, again.Spec.Roles[0] with { Command = [] });
        Assert.Equal(first.Roles[0].Command.AsEnumerable(), again.Spec.Roles[0].Command.AsEnumerable());
        Assert.Equal(text, SpecWriter.Write(again.Spec));
        Assert.Empty(SpecReader.Read(SpecWriter.Write(first, indented: true)).Errors);
    }

    [Fact]
    public void Equal_specs_have_equal_text_however_they_were_written()
    {
        var a = SpecReader.Read(
            """{"name":"n","image":"i","roles":[{"name":"w","resources":{"memory":"1GiB","cpus":1.0}}],"env":{"B":"2","A":"1"}}"""
        );
        var b = SpecReader.Read(
            """{"env":{"A":"1","B":"2"},"roles":[{"resources":{"memory":1073741824},"name":"w"}],"image":"i","name":"n","volumes":[]}"""
        );
        Assert.Equal(SpecWriter.Write(a.Spec!), SpecWriter.Write(b.Spec!));
    }

    [Fact]
    public void Escapes_that_lengthen_a_spec_do_not_lose_it()
    {
        var emoji = string.Concat(Enumerable.Repeat("\U0001F600", 60_000));
        var spec = SpecReader
            .Read(
                $$"""{"name":"n","image":"i","roles":[{"name":"w"}],"script":"{{emoji}}","env":{"A":"{{emoji[..16_000]}}"} }"""
            )
            .Spec!;
        var stored = SpecWriter.Write(spec with { Env = Many(spec, emoji[..16_000]) });
        Assert.True(stored.Length > SpecReader.MaxBytes);
        Assert.Equal(stored, SpecWriter.Write(SpecReader.ReadStored(stored).Spec!));
    }

    private static System.Collections.Immutable.ImmutableSortedDictionary<string, string> Many(
        JobSpec spec,
        string value
    ) => spec.Env.AddRange(Enumerable.Range(0, 7).Select(i => KeyValuePair.Create($"K{i}", value)));

    [Fact]
    public void Defaults_are_spelled_out() =>
        Assert.Equal(
            """{"name":"n","cluster":"local","image":"i","roles":[{"name":"w","replicas":1,"command":[],"resources":{"gpus":0,"cpus":1,"memory":"1GiB","shm":"256MiB"}}],"env":{},"restart":{"maxRestarts":0},"priority":50,"preemptible":false,"placement":{"mode":"pack","hostLabels":{},"excludeHosts":[]}}""",
            SpecWriter.Write(SpecReader.Read("""{"name":"n","image":"i","roles":[{"name":"w"}]}""").Spec!)
        );
}
