using System.Collections.Immutable;
using System.Text;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;
using DeepLab.Web.Drafts;

namespace DeepLab.Web.Tests.Drafts;

public sealed class EnvironmentDraftTests
{
    private const string Key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIMf7JcsMFKKfWqdM4BvfHsQdKDlXtiChiSm7HVnFfb0 ada@laptop";

    private static EnvironmentReading Read(string json) => EnvironmentReader.Read(Encoding.UTF8.GetBytes(json));

    private static EnvironmentDraft Answered()
    {
        var draft = new EnvironmentDraft
        {
            Name = "mine",
            Cluster = "local",
            Image = "registry.example.org/team/image:1",
            Gpus = "2",
            Cpus = "1.5",
            Memory = "4GiB",
            Shm = "1GiB",
            OwnPassword = true,
            Password = "correct horse",
            TensorBoard = true,
            Ssh = true,
            Ports = "app:8501, api:9000",
            IdleAfter = "04:00:00",
            Home = "17",
            Team = "vision",
            Host = "gpu1",
            GpuModel = "NVIDIA A100-SXM4-40GB",
        };
        draft.Volumes.Add(
            new VolumeLine
            {
                Name = "datasets",
                MountPath = "/data/datasets",
                ReadOnly = true,
            }
        );
        draft.Volumes.Add(new VolumeLine { Name = "results", MountPath = "/out" });
        draft.Datasets.Add(
            new DatasetLine
            {
                Name = "digits",
                Version = "2",
                Path = "/data/digits",
            }
        );
        return draft;
    }

    [Fact]
    public void Every_answer_is_read_as_it_was_given()
    {
        var reading = Read(EnvironmentJson.Write(Answered(), masked: false));

        Assert.Empty(reading.Errors);
        var spec = reading.Spec!;
        Assert.Equal(("mine", "local", "registry.example.org/team/image:1"), (spec.Name, spec.Cluster, spec.Image));
        var resources = spec.Roles[0].Resources;
        Assert.Equal((2, 1.5, 4L << 30, 1L << 30), (resources.Gpus, resources.Cpus, resources.Memory, resources.Shm));
        Assert.Equal(
            [new VolumeMount("datasets", "/data/datasets", true), new VolumeMount("results", "/out", false)],
            spec.Volumes
        );
        Assert.Equal([new DatasetMount("digits", 2, "/data/digits")], spec.Datasets);
        Assert.Equal("correct horse", reading.Password);
        var environment = spec.Environment!;
        Assert.True(environment is { Jupyter: true, TensorBoard: true, Ssh: true });
        Assert.Equal([new PortSpec("app", 8501), new PortSpec("api", 9000)], environment.Ports);
        Assert.Equal((TimeSpan.FromHours(4), 17), (environment.IdleAfter, environment.Home));
        Assert.Equal(("vision", "NVIDIA A100-SXM4-40GB"), (spec.Team, resources.GpuModel));
        Assert.Equal(["gpu1"], spec.Placement.OnlyHosts);
    }

    [Fact]
    public void A_place_that_the_wizard_does_not_ask_for_passes_through_it()
    {
        const string Labelled =
            """{"name":"mine","cluster":"lab","image":"pytorch-cpu","placement":{"onlyHosts":["a","b"],"hostLabels":{"zone":"z"}}}""";
        var draft = EnvironmentJson.FromDefinition(System.Text.Json.Nodes.JsonNode.Parse(Labelled)!.AsObject());

        Assert.Equal("", draft.Host);
        var placement = Read(EnvironmentJson.Write(draft, masked: false)).Spec!.Placement;
        Assert.Equal(["a", "b"], placement.OnlyHosts);
        Assert.Equal("z", placement.HostLabels["zone"]);
        draft.Host = "c";
        Assert.Equal(["c"], Read(EnvironmentJson.Write(draft, masked: false)).Spec!.Placement.OnlyHosts);
    }

    [Fact]
    public void What_is_shown_and_what_is_linked_hold_no_password()
    {
        var draft = Answered();

        Assert.DoesNotContain("correct horse", EnvironmentJson.Write(draft, masked: true), StringComparison.Ordinal);
        Assert.DoesNotContain("correct", EnvironmentAddress.Write(draft, "review", null), StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_brings_every_other_answer_back()
    {
        var address = EnvironmentAddress.Write(Answered(), "access", 7);
        var back = new EnvironmentDraft();
        back.Volumes.Add(new VolumeLine { Name = "of the original" });
        back.Datasets.Add(new DatasetLine { Name = "of the original" });

        EnvironmentAddress.Read(new Uri("http://console" + address).Query, back);

        back.Password = "correct horse";
        Assert.Equal(EnvironmentJson.Write(Answered(), masked: false), EnvironmentJson.Write(back, masked: false));
        Assert.Contains("from=7", address, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_with_one_answer_leaves_the_others_alone()
    {
        var draft = Answered();

        EnvironmentAddress.Read("?image=base", draft);

        Assert.Equal(("base", "mine", 2, 1), (draft.Image, draft.Name, draft.Volumes.Count, draft.Datasets.Count));
    }

    [Fact]
    public void A_copy_asks_for_all_that_its_original_has()
    {
        var spec = new JobSpec
        {
            Name = "mine",
            Cluster = "other",
            Image = "pytorch-cpu",
            Team = "vision",
            Priority = 70,
            Env = ImmutableSortedDictionary<string, string>.Empty.Add("A", "b"),
            Volumes = [new VolumeMount("datasets", "/data", true)],
            Datasets = [new DatasetMount("digits", 2, "/digits")],
            Placement = new PlacementSpec { ExcludeHosts = ["h7"] },
            Roles =
            [
                new RoleSpec
                {
                    Name = EnvironmentSpec.Role,
                    Resources = new ResourcesSpec
                    {
                        Gpus = 1,
                        GpuModel = "a100",
                        Cpus = 0.5,
                    },
                },
            ],
            Environment = new EnvironmentSpec
            {
                Ssh = true,
                SshKeys = [Key],
                Ports = [new PortSpec("app", 8501)],
                IdleAfter = TimeSpan.Zero,
            },
        };
        var stored = SpecWriter.Write(spec);
        // But for the home that it took over, of which there is one, and where its dataset was found
        var original = SpecWriter.Write(
            spec with
            {
                Environment = spec.Environment with { Home = 3 },
                Datasets = [spec.Datasets[0] with { Volume = "shared", Folder = "a", Split = true }],
            }
        );

        var reading = Read(EnvironmentJson.Write(EnvironmentJson.FromSpec(original), masked: false));

        Assert.Empty(reading.Errors);
        Assert.Equal(stored, SpecWriter.Write(reading.Spec!));
    }
}
