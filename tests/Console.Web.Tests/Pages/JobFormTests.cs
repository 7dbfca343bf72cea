using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bunit;
using DeepLab.Core.Operations;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Jobs.New;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Drafts;
using Microsoft.AspNetCore.Components;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class JobFormTests : BunitContext, IAsyncLifetime
{
    private readonly JobDraft _draft = new()
    {
        Name = "a",
        Image = "base",
        Script = "#!/bin/sh\n",
    };
    private int _changes;

    public JobFormTests()
    {
        Services.AddMudServices();
        JSInterop.Mode = JSRuntimeMode.Loose;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private IRenderedComponent<JobForm> Form(params SpecError[] errors) =>
        Render<JobForm>(p =>
            p.Add(c => c.Draft, _draft)
                .Add(c => c.Errors, new DraftErrors(errors))
                .Add(c => c.Hosts, [])
                .Add(c => c.Images, [])
                .Add(c => c.Volumes, [])
                .Add(c => c.OnChanged, EventCallback.Factory.Create(this, () => _changes++))
        );

    [Fact]
    public void Typing_changes_the_draft_and_tells_the_page()
    {
        var form = Form();

        form.FindAll(".text-field")
            .Single(l => l.TextContent.Contains("Name", StringComparison.Ordinal))
            .QuerySelector("input")!
            .Input("digits");
        form.Find("#script").Input("#!/bin/sh\necho hi");

        Assert.Equal("digits", _draft.Name);
        Assert.Equal("#!/bin/sh\necho hi", _draft.Script);
        Assert.Equal(2, _changes);
    }

    [Fact]
    public void Parameter_servers_are_counted_apart_and_run_what_the_workers_run()
    {
        _draft.Command = "python3 train.py";
        var form = Form();
        Choose("Parameter servers and workers");
        Field("Workers").Input("3");
        Field("Parameter servers").Input("2");
        Field("GPUs of a worker").Input("1");

        var spec = SpecReader.Read(DraftJson.Write(_draft)).Spec!;
        Assert.Equal(Topology.ParameterServers, spec.Topology);
        Assert.Equal(["worker 3 1", "ps 2 0"], spec.Roles.Select(r => $"{r.Name} {r.Replicas} {r.Resources.Gpus}"));
        Assert.All(spec.Roles, r => Assert.Equal(["python3", "train.py"], r.Command));

        // As one that was stored comes back, with its servers first
        var again = DraftJson.Read(SpecWriter.Write(spec with { Roles = [spec.Roles[1], spec.Roles[0]] }))!;
        Assert.Equal(("worker", "3", "2"), (again.Role, again.Replicas, again.Seconds));
        again.Command = "python3 other.py";
        Assert.All(
            SpecReader.Read(DraftJson.Write(again)).Spec!.Roles,
            r => Assert.Equal(["python3", "other.py"], r.Command)
        );

        Choose("Array");
        spec = SpecReader.Read(DraftJson.Write(_draft)).Spec!;
        Assert.Equal((Topology.Array, "task"), (spec.Topology, Assert.Single(spec.Roles).Name));

        void Choose(string word) => form.FindAll(".topology button").Single(b => b.TextContent == word).Click();
        AngleSharp.Dom.IElement Field(string label) =>
            form.FindAll(".text-field")
                .Single(l => l.TextContent.StartsWith(label, StringComparison.Ordinal))
                .QuerySelector("input")!;
    }

    [Fact]
    public void A_chief_has_workers_like_it_and_an_evaluator_that_starts_again_alone()
    {
        _draft.Command = "python3 train.py";
        var form = Form();
        form.FindAll(".topology button").Single(b => b.TextContent == "Chief and evaluator").Click();
        Field(form, "GPUs of chief").Input("1");
        Assert.Equal(["chief 1 1", "evaluator 1 0"], Roles());
        Field(form, "Workers").Input("2");
        Assert.Equal(["chief 1 1", "worker 2 1", "evaluator 1 0"], Roles());

        var spec = Spec();
        Assert.All(spec.Roles, r => Assert.Equal(["python3", "train.py"], r.Command));
        Assert.Equal(
            [RestartScope.Gang, RestartScope.Gang, RestartScope.Replica],
            spec.Roles.Select(r => r.RestartScope)
        );
        // As one that was stored comes back
        var again = DraftJson.Read(SpecWriter.Write(spec))!;
        Assert.Equal(("chief", "2"), (again.Role, again.Seconds));
        Assert.Equal(SpecWriter.Write(spec), SpecWriter.Write(SpecReader.Read(DraftJson.Write(again)).Spec!));

        Field(form, "Workers").Input("0");
        Assert.Equal(["chief 1 1", "evaluator 1 0"], Roles());

        IEnumerable<string> Roles() => Spec().Roles.Select(r => $"{r.Name} {r.Replicas} {r.Resources.Gpus}");
    }

    [Fact]
    public void Peers_may_be_content_with_fewer_and_other_topologies_not()
    {
        Assert.DoesNotContain("Fewest replicas", Form().Markup);
        _draft.Replicas = "4";
        var form = Form();
        Field(form, "Fewest replicas").Input("2");
        Assert.Equal((4, 2), (Spec().Roles[0].Replicas, Spec().Roles[0].MinReplicas));
        Assert.Equal("2", DraftJson.Read(SpecWriter.Write(Spec()))!.MinReplicas);

        form.FindAll(".topology button").Single(b => b.TextContent == "Array").Click();
        Assert.DoesNotContain("Fewest replicas", form.Markup);
        Assert.Null(Spec().Roles[0].MinReplicas);
        _draft.MinReplicas = "2";
        Assert.Contains("Fewest replicas", Form().Markup);
        _draft.MinReplicas = "";
        Assert.Null(Spec().Roles[0].MinReplicas);
    }

    [Fact]
    public void Each_role_has_an_image_and_a_restart_scope_where_there_is_something_to_choose()
    {
        Assert.Empty(Form().FindAll(".roles"));
        _draft.Replicas = "2";
        Assert.Single(Form().FindAll(".roles select"));
        _draft.Replicas = "1";

        var form = Form();
        form.FindAll(".topology button").Single(b => b.TextContent == "Parameter servers and workers").Click();
        Field(form, "Image of ps").Input("serve");
        form.FindAll(".roles select")[0].Change("replica");
        var spec = Spec();
        Assert.Equal([null, "serve"], spec.Roles.Select(r => r.Image));
        Assert.Equal([RestartScope.Replica, RestartScope.Gang], spec.Roles.Select(r => r.RestartScope));
        Field(form, "Image of ps").Input("");
        form.FindAll(".roles select")[0].Change("");
        Assert.All(Spec().Roles, r => Assert.Equal((null, RestartScope.Gang), (r.Image, r.RestartScope)));

        form.FindAll(".topology button").Single(b => b.TextContent == "Array").Click();
        Assert.Equal(RestartScope.Replica, Assert.Single(Spec().Roles).RestartScope);
        form.FindAll(".topology button").Single(b => b.TextContent == "MPI").Click();
        Assert.Empty(Form().FindAll(".roles"));
    }

    private JobSpec Spec() => SpecReader.Read(DraftJson.Write(_draft)).Spec!;

    private static AngleSharp.Dom.IElement Field(IRenderedComponent<JobForm> form, string label) =>
        form.FindAll(".text-field")
            .Single(l => l.TextContent.TrimStart().StartsWith(label, StringComparison.Ordinal))
            .QuerySelector("input")!;

    [Fact]
    public void What_a_role_has_that_no_field_shows_passes_through()
    {
        var draft = DraftJson.Read(
            """{"name":"n","image":"i","roles":[{"name":"w","env":{"A":"1"},"deciding":true},{"name":"x","deciding":false}]}"""
        )!;
        var spec = SpecReader.Read(DraftJson.Write(draft)).Spec!;
        Assert.Equal(("1", true, false), (spec.Roles[0].Env["A"], spec.Roles[0].Deciding, spec.Roles[1].Deciding));
    }

    [Fact]
    public void An_error_stands_beside_its_field_and_marks_it()
    {
        var form = Form(new SpecError("roles[0].resources.memory", "At least 6 MiB are needed."));

        var field = form.FindAll(".text-field").Single(l => l.TextContent.Contains("Memory", StringComparison.Ordinal));
        Assert.Contains("At least 6 MiB", field.TextContent, StringComparison.Ordinal);
        Assert.Equal("true", field.QuerySelector("input")!.GetAttribute("aria-invalid"));
        Assert.Single(form.FindAll("[aria-invalid]"));
    }

    [Fact]
    public void Patterns_of_the_log_are_read_as_they_were_typed()
    {
        var form = Form();
        Assert.Null(Spec().Metrics);
        form.Find("[aria-label='Metrics from the log'] input[type=checkbox]").Change(true);
        Assert.Equal(new MetricsSpec(), Spec().Metrics);
        for (var n = 0; n < LogPatterns.MostPatterns; n++)
        {
            Add().Click();
        }
        Assert.True(Add().HasAttribute("disabled"));

        // Empty ones say nothing
        form.Find("[aria-label='Pattern 2']").Input(@"loss: (?<loss>[\d.]+)");
        form.Find("[aria-label='Pattern 4']").Input("(?<acc>");
        Assert.Equal(["metrics.patterns[1]"], SpecReader.Read(DraftJson.Write(_draft)).Errors.Select(e => e.Path));
        form.Find("[aria-label='Remove pattern 4']").Click();
        Assert.Equal([@"loss: (?<loss>[\d.]+)"], Spec().Metrics!.Patterns);
        form.Find("[aria-label='Metrics from the log'] input[type=checkbox]").Change(false);
        Assert.Null(Spec().Metrics);

        AngleSharp.Dom.IElement Add() =>
            form.FindAll("button").Single(b => b.TextContent.Contains("Add a pattern", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_wrong_with_a_pattern_stands_beside_it()
    {
        _draft.LogMetrics = true;
        _draft.LogPatterns.AddRange([
            new PatternLine { Text = "(?<loss>.*)" },
            new PatternLine(),
            new PatternLine { Text = "no group" },
        ]);
        var errors = SpecReader.Read(DraftJson.Write(_draft)).Errors;
        Assert.Empty(new DraftErrors(errors).Elsewhere);

        var form = Form([.. errors]);

        var wrong = Assert.Single(form.FindAll("[aria-invalid]"));
        Assert.Equal("Pattern 3", wrong.GetAttribute("aria-label"));
        Assert.Contains(
            "No group is named",
            form.Find($"#{wrong.GetAttribute("aria-describedby")}").TextContent,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("""{}""", true)]
    [InlineData("""{"patterns":["a(?<b>.)","(?<c>.)"]}""", true)]
    [InlineData("""{"patterns":[]}""", false)]
    [InlineData("""{"patterns":["a",7]}""", false)]
    [InlineData("""{"patterns":["a"],"more":1}""", false)]
    [InlineData("""true""", false)]
    public void Metrics_of_any_shape_come_through_the_form_as_they_were(string metrics, bool shown)
    {
        var draft = DraftJson.Read($$"""{"name":"a","metrics":{{metrics}}}""")!;
        Assert.Equal(shown, draft.LogMetrics);
        var again = JsonNode.Parse(DraftJson.Write(draft))!["metrics"]!;
        Assert.Equal(
            metrics,
            again.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping })
        );
    }

    [Fact]
    public void GPU_wishes_appear_with_the_first_GPU()
    {
        Assert.DoesNotContain("GPU model", Form().Markup, StringComparison.Ordinal);
        _draft.Gpus = "1";

        Assert.Contains("GPU model", Form().Markup, StringComparison.Ordinal);
    }

    [Fact]
    public void The_answer_names_host_and_GPUs_or_why_it_waits()
    {
        var starts = Render<PreviewAnswer>(p =>
            p.Add(c => c.Answer, new JobPreview([], ["local"], ["GPU-1"], []))
                .Add(c => c.Errors, new DraftErrors([]))
                .Add(c => c.Hosts, [])
        );
        var waits = Render<PreviewAnswer>(p =>
            p.Add(
                    c => c.Answer,
                    new JobPreview([], [], [], [new WaitReason(WaitKind.NotEnoughGpus, "needs 4 GPUs on one host")])
                )
                .Add(c => c.Errors, new DraftErrors([]))
                .Add(c => c.Hosts, [])
        );

        Assert.Contains("Starts now on", starts.Markup, StringComparison.Ordinal);
        Assert.Contains("GPU-1", starts.Markup, StringComparison.Ordinal);
        Assert.Contains("needs 4 GPUs on one host", waits.Markup, StringComparison.Ordinal);
    }
}
