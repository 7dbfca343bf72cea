using System.Security.Claims;
using Bunit;
using DeepLab.Core;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Hosts;
using DeepLab.Web.Drafts;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor;
using MudBlazor.Services;

namespace DeepLab.Web.Tests.Pages;

public sealed class AddHostTests : BunitContext, IAsyncLifetime
{
    private const string Key = "-----BEGIN PRIVATE KEY-----\nvery secret";
    private readonly HostDraft _draft = new();

    public AddHostTests()
    {
        Services.AddMudServices();
        JSInterop.Mode = JSRuntimeMode.Loose;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    private IRenderedComponent<HostForm> Form(params SpecError[] errors) =>
        Render<HostForm>(p =>
            p.Add(c => c.Draft, _draft)
                .Add(c => c.Errors, new DraftErrors(errors))
                .Add(
                    c => c.Clusters,
                    [
                        new ClusterView(Guid.NewGuid(), "local", 1, 1, 0, 0),
                        new ClusterView(Guid.NewGuid(), "swarm", 1, 1, 0, 0) { ManagerAddress = "tcp://10.0.0.1:2376" },
                    ]
                )
        );

    /// <summary>The text that describes the input of this label.</summary>
    private static string Beside(IRenderedComponent<IComponent> form, string label)
    {
        var input = form.Find($"#{form.FindAll("label").Single(l => l.TextContent == label).GetAttribute("for")}");
        Assert.Equal("true", input.GetAttribute("aria-invalid"));
        return form.Find($"#{input.GetAttribute("aria-describedby")}").TextContent;
    }

    [Theory]
    [InlineData("name", "Name")]
    [InlineData("cluster", "Cluster")]
    [InlineData("address", "Address of its engine")]
    [InlineData("ca", "CA")]
    [InlineData("certificate", "Certificate")]
    [InlineData("key", "Key")]
    [InlineData("labels", "Labels")]
    [InlineData("labels.zone", "Labels")]
    [InlineData("networkAddress", "Network address")]
    public void Every_error_stands_at_its_field(string path, string label)
    {
        _draft.Address = "tcp://10.0.0.7:2376";

        var form = Form(new SpecError(path, "This is wrong."));

        Assert.Contains("This is wrong.", Beside(form, label), StringComparison.Ordinal);
        Assert.Single(form.FindAll("[aria-invalid]"));
    }

    [Fact]
    public void Credentials_are_asked_for_only_where_they_are_used_and_never_shown_again()
    {
        var form = Form();
        Assert.Empty(form.FindAll(".pem"));

        var address = form.FindAll("label").Single(l => l.TextContent.StartsWith("Address", StringComparison.Ordinal));
        form.Find($"#{address.GetAttribute("for")}").Input("tcp://10.0.0.7:2376");
        form.FindAll(".pem textarea")[2].Change(Key);

        Assert.Equal(Key, _draft.Read(out _).Credentials.Key);
        form.Render();
        Assert.DoesNotContain("very secret", form.Markup, StringComparison.Ordinal);

        form.Find($"#{address.GetAttribute("for")}").Input("unix:///run/docker.sock");
        Assert.Empty(form.FindAll(".pem"));
        Assert.True(_draft.Read(out _).Credentials.IsEmpty);
    }

    [Fact]
    public void A_Swarm_cannot_be_picked_since_its_hosts_come_by_themselves() =>
        Assert.Contains(
            "swarm",
            Assert.Single(Form().FindAll("option[disabled]")).TextContent,
            StringComparison.Ordinal
        );

    [Fact]
    public void Labels_are_lines_and_what_is_none_is_told()
    {
        _draft.Labels = "zone=a\r\n\n rack = 7=b \nempty=";
        var given = _draft.Read(out var none);
        Assert.Empty(none);
        Assert.Equal(
            [("empty", ""), ("rack", "7=b"), ("zone", "a")],
            given.Labels.OrderBy(l => l.Key).Select(l => (l.Key, l.Value))
        );

        _draft.Labels = "zone=a\nzone=b\nnonsense";
        _draft.Read(out var errors);
        Assert.Equal(["labels", "labels"], errors.Select(e => e.Path));
        Assert.Contains("nonsense", errors[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cluster_that_is_no_Swarm_forgets_what_belongs_to_one()
    {
        var draft = new ClusterDraft
        {
            Name = " training ",
            IsSwarm = true,
            ManagerAddress = "tcp://10.0.0.1:2376",
            NodePort = "many",
        };
        draft.Credentials.Key = Key;
        Assert.Equal(0, draft.Read().NodePort);

        draft.IsSwarm = false;

        var given = draft.Read();
        Assert.Equal(("training", null, null), (given.Name, given.ManagerAddress, given.NodePort));
        Assert.True(given.Credentials.IsEmpty);
    }

    [Fact]
    public async Task What_the_verb_refuses_stands_in_the_open_dialog()
    {
        var signedIn = AddAuthorization();
        signedIn.SetAuthorized("ada");
        signedIn.SetClaims(
            new Claim(ClaimTypes.NameIdentifier, Guid.NewGuid().ToString()),
            new Claim(ClaimTypes.Role, nameof(UserRole.Admin))
        );
        Services.AddSingleton(TimeProvider.System);
        Services.AddScoped<CurrentActor>();
        Services.AddScoped<AdminDeeds>();
        Services.AddSingleton(Box());
        Services.AddSingleton<IDbContextFactory<ConsoleDb>, Unconnected>();
        Services.AddSingleton<AddHost>();
        var provider = Render<MudDialogProvider>();
        var parameters = new DialogParameters<AddHostDialog> { { d => d.Clusters, [] } };
        await provider.InvokeAsync(() =>
            Services.GetRequiredService<IDialogService>().ShowAsync<AddHostDialog>("Add a host", parameters)
        );

        await provider.Find("form").SubmitAsync();

        Assert.Contains("3 things are wrong", provider.Find("[role=alert].note").TextContent, StringComparison.Ordinal);
        Assert.Contains("small letters", Beside(provider, "Name"), StringComparison.Ordinal);
        Assert.Contains("unix:///path", Beside(provider, "Address of its engine"), StringComparison.Ordinal);
        Assert.Contains("no such cluster", Beside(provider, "Cluster"), StringComparison.Ordinal);
    }

    private static SecretBox Box()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            return new SecretBox(Path.Combine(folder.FullName, "secrets.key"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A context that nothing may ask: what has no name and no cluster is refused before.</summary>
    private sealed class Unconnected : IDbContextFactory<ConsoleDb>
    {
        public ConsoleDb CreateDbContext() => new(new DbContextOptionsBuilder<ConsoleDb>().Options);
    }
}
