using System.Text;
using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Operations;

public sealed class RunFieldsTests
{
    private const string Spec = """
        {"name":"NAME","image":"base","code":"sha256:CODE","env":{"EPOCHS":"60"},
         "roles":[{"name":"worker","command":["python3","train.py","--lr","0.1"],"env":{"SEED":"1"},
                   "resources":{"gpus":GPUS}}],
         "volumes":[{"name":"DATA","mountPath":"/data","readOnly":true}]}
        """;

    private static string Stored(string name = "a", string code = "1", int gpus = 1, string data = "digits")
    {
        var json = Spec.Replace("NAME", name)
            .Replace("CODE", code.PadLeft(64, '0'))
            .Replace("GPUS", gpus.ToString())
            .Replace("DATA", data);
        var reading = SpecReader.Read(json);
        Assert.Empty(reading.Errors);
        return SpecWriter.Write(reading.Spec!);
    }

    private static FieldLines Compare(params string[] specs) =>
        FieldLines.Of([.. specs.Select(s => RunFields.OfSpec(s, null))]);

    [Fact]
    public void What_differs_is_told_by_its_path_and_what_is_equal_is_apart()
    {
        var fields = Compare(Stored("a", "1", 1, "digits"), Stored("b", "2", 4, "letters"));
        Assert.Equal(
            ["Code code", "Data volumes[0].name", "Resources roles[0].resources.gpus"],
            fields.Differs.Select(f => $"{f.Kind} {f.Path}")
        );
        Assert.Equal(["1", "4"], fields.Differs[2].Values);
        Assert.Contains(fields.Equal, f => f is { Kind: FieldKind.Command, Path: "roles[0].command --lr" });
        Assert.Contains(fields.Equal, f => f is { Kind: FieldKind.Environment, Path: "roles[0].env.SEED" });
        Assert.Contains(fields.Equal, f => f is { Kind: FieldKind.Environment, Path: "env.EPOCHS" });
    }

    [Fact]
    public void The_name_of_a_run_is_no_difference() => Assert.Empty(Compare(Stored("a"), Stored("b")).Differs);

    [Fact]
    public void What_one_run_lacks_differs()
    {
        var fields = FieldLines.Of([
            RunFields.OfSpec(Stored(), null),
            RunFields.OfSpec(Stored(), "base@sha256:1"),
            RunFields.OfSpec(Stored(), "base@sha256:1"),
        ]);
        var pinned = Assert.Single(fields.Differs);
        Assert.Equal((FieldKind.Image, "pinnedImage"), (pinned.Kind, pinned.Path));
        Assert.Equal([null, "base@sha256:1", "base@sha256:1"], pinned.Values);
    }

    [Fact]
    public void A_script_is_told_by_its_digest()
    {
        var own = RunFields.OfSpec(
            """{"roles":[{"name":"ps","image":"serve"}]}""",
            null,
            new Dictionary<string, string> { ["serve"] = "serve@sha256:2" }
        );
        Assert.Equal(
            ["roles[0].image serve", "pinnedImage serve serve@sha256:2"],
            own.Where(f => f.Kind == FieldKind.Image).Select(f => $"{f.Path} {f.Value}")
        );

        static RunField Script(string text) => Assert.Single(RunFields.OfSpec($$"""{"script":"{{text}}"}""", null));
        Assert.Equal(FieldKind.Code, Script("echo a").Kind);
        Assert.NotEqual(Script("echo a"), Script("echo b"));
        Assert.EndsWith("(2 lines)", Script("echo a\\necho b").Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Long_values_are_compared_whole_and_shown_cut()
    {
        var same = new string('x', FieldLines.MostOfValue);
        var fields = FieldLines.Of([
            [new RunField(FieldKind.Other, "note", same + "1")],
            [new RunField(FieldKind.Other, "note", same + "2")],
        ]);
        var line = Assert.Single(fields.Differs);
        Assert.All(line.Values, v => Assert.Equal(FieldLines.MostOfValue, v!.Length));
        Assert.EndsWith("x…", line.Values[0], StringComparison.Ordinal);
    }

    [Fact]
    public void More_fields_than_are_told_are_counted()
    {
        RunField[] many =
        [
            .. Enumerable.Range(0, FieldLines.Most + 3).Select(i => new RunField(FieldKind.Parameter, $"p{i}", "1")),
        ];
        var fields = FieldLines.Of([many, []]);
        Assert.Equal((FieldLines.Most, 3), (fields.Differs.Count, fields.LeftOut));
    }

    [Fact]
    public void Parameters_of_several_replicas_are_one_where_they_agree()
    {
        var fields = RunFields.OfParameters([
            Encoding.UTF8.GetBytes("""{"lr":0.1,"opt":"adam","bias":true}"""),
            Encoding.UTF8.GetBytes("""{"lr":0.2,"opt":"adam"}"""),
        ]);
        Assert.Equal(["bias=true", "lr=0.1, 0.2", "opt=adam"], fields.Select(f => $"{f.Path}={f.Value}"));
    }

    [Theory]
    [InlineData("python3 train.py --lr 0.1", "[0]=python3|[1]=train.py|--lr=0.1")]
    [InlineData("train --lr=0.1 --shift -3 -v", "[0]=train|--lr=0.1|--shift=-3|-v=given")]
    [InlineData("train --fast --lr 1", "[0]=train|--fast=given|--lr=1")]
    [InlineData("train optim.lr=0.1 s3://a?b=c =x", "[0]=train|optim.lr=0.1|[1]=s3://a?b=c|[2]==x")]
    [InlineData("train --tag a --tag b -- --lr 1", "[0]=train|--tag=a b|[1]=--lr|[2]=1")]
    [InlineData("", "")]
    public void Arguments_have_names(string line, string fields) =>
        Assert.Equal(
            fields,
            string.Join(
                '|',
                CommandArguments
                    .Read(line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                    .Select(a => $"{a.Name}={a.Value}")
            )
        );

    [Fact]
    public void An_argument_that_moved_is_no_difference() =>
        Assert.Empty(
            Compare(
                """{"roles":[{"command":["train","--lr","1","--steps","5"]}]}""",
                """{"roles":[{"command":["train","--steps=5","--lr=1"]}]}"""
            ).Differs
        );

    [Fact]
    public void Labels_are_no_difference_and_the_code_s_origin_is_one()
    {
        var spec = SpecReader.Read(Stored()).Spec!;
        string With(string label, string commit, string diff) =>
            SpecWriter.Write(
                spec with
                {
                    Labels = spec.Labels.Add("exp", label),
                    Git = new GitSpec { Commit = commit, Diff = diff },
                }
            );
        var one = new string('1', 40);
        Assert.Empty(Compare(With("a", one, "x"), With("b", one, "x")).Differs);
        var fields = Compare(With("a", one, "x\ny"), With("b", new string('2', 40), "x")).Differs;
        Assert.Equal(["Code git.commit", "Code git.diff"], fields.Select(f => $"{f.Kind} {f.Path}"));
        Assert.All(fields[1].Values, v => Assert.StartsWith("sha256:", v, StringComparison.Ordinal));
    }

    [Fact]
    public void Where_it_ran_is_of_its_last_round_and_its_images_are_of_all()
    {
        var run = new Workload
        {
            Name = "a",
            OwnerName = "ann",
            SpecJson = "{}",
            SpecHash = "",
            GpuModels = "A100",
        };
        string Id(char digit) => "sha256:" + new string(digit, 64);
        var fields = RunFields.OfRun(
            run,
            [(1, "gpu1", Id('1')), (2, "gpu3", Id('2')), (2, "gpu2", null)],
            ["GPU-b", "GPU-a"]
        );
        Assert.Equal(
            [
                $"Image imageId {Id('1')}, {Id('2')}",
                "Machines hosts gpu2, gpu3",
                "Machines gpuModels A100",
                "Machines gpus GPU-a, GPU-b",
            ],
            fields.Select(f => $"{f.Kind} {f.Path} {f.Value}")
        );
        run.GpuModels = "";
        Assert.Empty(RunFields.OfRun(run, [], []));

        // What is to run again exactly differs in no image from what ran first
        run.PinnedImage = Id('1');
        Assert.Equal(Id('1'), Assert.Single(RunFields.OfRun(run, [], [])).Value);
        Assert.DoesNotContain(RunFields.OfSpec("{}", Id('1')), f => f.Kind == FieldKind.Image);
    }
}
