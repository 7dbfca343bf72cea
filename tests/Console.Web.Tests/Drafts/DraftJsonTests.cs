using System.Collections.Immutable;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using DeepLab.Web.Drafts;

namespace DeepLab.Web.Tests.Drafts;

public sealed class DraftJsonTests
{
    private static readonly JobSpec s_full = new()
    {
        Name = "digits",
        Image = "pytorch-cpu",
        Script = "#!/bin/sh\necho \"<b>\" & 'é'\n",
        Roles =
        [
            new RoleSpec
            {
                Name = "worker",
                Replicas = 2,
                Command = ["python3", "-c", "print('a b')", ""],
                Resources = new ResourcesSpec
                {
                    Gpus = 2,
                    GpuModel = "A100",
                    GpuMemory = 40L << 30,
                    Cpus = 1.25,
                    Memory = 3L << 30,
                    Shm = 1L << 30,
                },
            },
        ],
        Env = ImmutableSortedDictionary<string, string>.Empty.Add("A", "1").Add("B", "x y"),
        Restart = new RestartSpec { MaxRestarts = 3 },
        Priority = 70,
        MaxDuration = TimeSpan.FromHours(2),
        Checkpoint = new CheckpointSpec
        {
            EverySteps = 500,
            Volume = "kept",
            Keep = 3,
            Glob = "w-*",
        },
        Volumes = [new VolumeMount("datasets", "/data", ReadOnly: true), new VolumeMount("results", "/results")],
    };

    /// <summary>What the form has no field for.</summary>
    private static readonly JobSpec s_more = s_full with
    {
        Team = "vision",
        Preemptible = true,
        Checkpoint = new CheckpointSpec(),
        Placement = new PlacementSpec { Mode = PlacementMode.Spread, OnlyHosts = ["gpu1"] },
        Roles =
        [
            .. s_full.Roles,
            new RoleSpec
            {
                Name = "ps",
                Replicas = 2,
                Command = ["ps"],
            },
        ],
    };

    [Fact]
    public void A_spec_goes_through_the_form_unchanged()
    {
        var draft = DraftJson.Read(SpecWriter.Write(s_full));

        var again = SpecReader.Read(DraftJson.Write(draft!));

        Assert.Empty(again.Errors);
        Assert.Equal(SpecWriter.Write(s_full), SpecWriter.Write(again.Spec!));
    }

    [Fact]
    public void What_the_form_has_no_field_for_passes_through_it()
    {
        var draft = DraftJson.Read(SpecWriter.Write(s_more));
        draft!.Name = "again";

        var again = SpecReader.Read(DraftJson.Write(draft));

        Assert.Empty(again.Errors);
        Assert.Equal(SpecWriter.Write(s_more with { Name = "again" }), SpecWriter.Write(again.Spec!));
    }

    [Fact]
    public void A_spec_without_script_or_code_stays_so()
    {
        var plain = s_full with { Script = null };

        var draft = DraftJson.Read(SpecWriter.Write(plain))!;

        Assert.Equal(DraftSource.Image, draft.Source);
        Assert.Null(SpecReader.Read(DraftJson.Write(draft)).Spec!.Script);
    }

    [Theory]
    [InlineData("two", "roles[0].resources.gpus")]
    [InlineData("-1", "roles[0].resources.gpus")]
    [InlineData("1000000000", "roles[0].resources.gpus")]
    [InlineData("", "roles[0].resources.gpus")]
    public void What_is_wrong_in_a_field_is_said_at_that_field(string gpus, string path)
    {
        var draft = DraftJson.Read(SpecWriter.Write(s_full))!;
        draft.Gpus = gpus;

        var errors = new DraftErrors(SpecReader.Read(DraftJson.Write(draft)).Errors);

        Assert.NotNull(errors.Of(path));
        Assert.Null(errors.Of("name"));
        Assert.Empty(errors.Elsewhere);
    }

    [Fact]
    public void Half_written_JSON_leaves_the_form_as_it_was() => Assert.Null(DraftJson.Read("""{ "name": "x", """));

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("12")]
    [InlineData("""{ "name": "a", "name": "b" }""")]
    public void JSON_that_is_no_job_leaves_the_form_as_it_was(string json) => Assert.Null(DraftJson.Read(json));

    [Theory]
    [InlineData("""{ "roles": 7, "env": [], "checkpoint": "x" }""")]
    [InlineData("""{ "name": { "a": 1 }, "roles": [ null ] }""")]
    [InlineData("""{ "roles": [ { "command": [ 1, {}, null ], "resources": { "gpus": {} } } ] }""")]
    public void JSON_of_the_wrong_shape_still_fills_what_it_can(string json) => Assert.NotNull(DraftJson.Read(json));

    [Fact]
    public void Errors_below_a_field_name_their_place()
    {
        var errors = new DraftErrors([new SpecError("env.1X", "no"), new SpecError("surprise", "unknown")]);

        Assert.Equal("env.1X: no", errors.Of("env"));
        Assert.Equal("surprise", Assert.Single(errors.Elsewhere).Path);
    }
}
