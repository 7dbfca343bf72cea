using System.Collections.Concurrent;
using System.Net;
using System.Text;
using DeepLab.Core.Maintenance;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Images;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Engine.Tests.Images;

/// <summary>Registries that ask who pulls, on the hosts' bridge; a real engine pulls from them.</summary>
[Collection(nameof(ImageConsole))]
public sealed class RegistryTests(ImageConsole images)
{
    private const string Nothing = "(none)";
    private const string User = "robot";
    private const string Password = "only-for-this-registry";
    private static readonly string s_basic =
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}"));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_password_opens_its_own_registry_and_no_other_sees_any()
    {
        await using var own = await TestRegistry.StartAsync(Ct);
        await using var other = await TestRegistry.StartAsync(Ct);
        var (atOwn, atOther) = (Watch(own, Basic), Watch(other, Basic));
        own.Push("team/closed", "1");
        other.Push("team/closed", "1");
        await PutAsync(own);
        Assert.Equal(ImageTaskState.Succeeded, (await PullAsync(own, "closed-own")).State);
        Assert.Contains(s_basic, atOwn);

        var refused = await PullAsync(other, "closed-other");
        Assert.Equal(ImageTaskState.Failed, refused.State);
        Assert.Equal([Nothing], atOther.Distinct());
    }

    [Fact]
    public async Task A_registry_that_sends_for_tokens_elsewhere_gets_nothing_sent_there()
    {
        await using var own = await TestRegistry.StartAsync(Ct);
        await using var elsewhere = await TestRegistry.StartAsync(Ct);
        var seen = Watch(elsewhere, Basic);
        own.Push("team/tokens", "1");
        var realm = $"http://{elsewhere.Name}/token";
        var atOwn = Watch(own, c => Bearer(c, realm));
        await PutAsync(own);
        var failed = await PullAsync(own, "tokens-elsewhere");
        Assert.Equal(ImageTaskState.Failed, failed.State);
        Assert.Contains($"sends for its token to {elsewhere.Name}", failed.Message);
        Assert.Empty(seen);
        Assert.Equal([Nothing], atOwn.Distinct());

        // The same host for tokens is fine, and the engine has the token alone
        realm = $"http://{own.Name}/token";
        Assert.Equal(ImageTaskState.Succeeded, (await PullAsync(own, "tokens-own")).State);
        Assert.Contains(s_basic, atOwn);
        Assert.Contains("Bearer a-token", atOwn);
        await images.Other.DockerAsync(Ct, "rmi", "-f", $"{own.Name}/team/tokens:1");
    }

    [Fact]
    public async Task A_password_is_told_to_nobody_and_stands_nowhere_in_plain()
    {
        await using var own = await TestRegistry.StartAsync(Ct);
        await PutAsync(own);
        var told = await images.Get<RegistryVerbs>().ListAsync(Ct);
        Assert.Contains(told, r => r.Registry == own.Name && r.UserName == User);
        Assert.DoesNotContain(Password, System.Text.Json.JsonSerializer.Serialize(told));
        await using var db = await images.Console.DbAsync(Ct);
        Assert.All(db.RegistryLogins, l => Assert.DoesNotContain(Password, l.SealedPassword));
        Assert.All(db.Audit, a => Assert.DoesNotContain(Password, a.Target));
    }

    /// <summary>What came as Authorization, request by request. Who comes without is refused.</summary>
    private static ConcurrentQueue<string> Watch(TestRegistry registry, Func<HttpContext, string> challenge)
    {
        var seen = new ConcurrentQueue<string>();
        registry.Guard = async context =>
        {
            var shown = context.Request.Headers.Authorization.ToString();
            seen.Enqueue(shown.Length > 0 ? shown : Nothing);
            if (context.Request.Path == "/token")
            {
                await context.Response.WriteAsJsonAsync(new { token = "a-token" }, Ct);
                return true;
            }
            var wanted = challenge(context);
            if (shown == wanted)
            {
                return false;
            }
            return await TestRegistry.RefuseAsync(context, HttpStatusCode.Unauthorized, "UNAUTHORIZED", "who are you");
        };
        return seen;
    }

    private static string Basic(HttpContext context)
    {
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"registry\"";
        return s_basic;
    }

    private static string Bearer(HttpContext context, string realm)
    {
        context.Response.Headers.WWWAuthenticate = $"Bearer realm=\"{realm}\",service=\"registry\"";
        return "Bearer a-token";
    }

    private async Task PutAsync(TestRegistry registry) =>
        Assert.IsType<Outcome<string>.Done>(
            await images
                .Get<RegistryVerbs>()
                .PutAsync(ConsoleHarness.Admin, registry.Name, new RegistryInput(User, Password, PlainHttp: true), Ct)
        );

    private async Task<ImageTaskView> PullAsync(TestRegistry registry, string name)
    {
        var repository = name.StartsWith("closed", StringComparison.Ordinal) ? "team/closed" : "team/tokens";
        Assert.IsType<Outcome<string>.Done>(
            await images
                .Get<ImageVerbs>()
                .AddAsync(ConsoleHarness.Admin, new ImageInput(name, $"{registry.Name}/{repository}:1", "Test"), Ct)
        );
        var begun = Assert.IsType<Outcome<IReadOnlyList<ImageTaskView>>.Done>(
            await images.Get<ImageTaskVerbs>().PullAsync(ConsoleHarness.Admin, name, [ImageConsole.There], Ct)
        );
        return await images.RunAsync(begun.Value.Single().Id);
    }
}
