using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Gateway;

public sealed class EndOfAccessTests(ApiHost host)
{
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(10);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static Task AnswerAsync(HttpContext c) =>
        c.WebSockets.IsWebSocketRequest ? Container.EchoAsync(c)
        : c.Request.Path.Value!.EndsWith("/trickle", StringComparison.Ordinal) ? TrickleAsync(c)
        : c.Response.WriteAsync("hello");

    private static async Task TrickleAsync(HttpContext c)
    {
        await c.Response.WriteAsync("one\n");
        await c.Response.Body.FlushAsync();
        await Task.Delay(Timeout.Infinite, c.RequestAborted);
    }

    [Theory]
    [InlineData("stop", 410)]
    [InlineData("end", 410)]
    [InlineData("delete", 410)]
    [InlineData("another owner", 404)]
    [InlineData("another container", 200)]
    [InlineData("user disabled", 401)]
    [InlineData("signed out", 401)]
    [InlineData("token revoked", 401)]
    [InlineData("password changed", 401)]
    [InlineData("role changed", 401)]
    public async Task What_is_open_is_closed_within_ten_seconds_and_stays_closed(string how, int status)
    {
        await using var container = await Container.StartAsync(AnswerAsync);
        await using var second = await Container.StartAsync(AnswerAsync);
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = await Visitor.EnterAsync(host, console, workload);
        var (socket, opened) = await visitor.ConnectAsync(workload.Path + "ws");
        using var _ = socket;
        Assert.Equal(HttpStatusCode.SwitchingProtocols, opened);
        using var stream = await visitor.SendAsync(HttpMethod.Get, workload.Path + "trickle");
        using var lines = new StreamReader(await stream.Content.ReadAsStreamAsync());
        Assert.Equal("one", await lines.ReadLineAsync());
        var closed = Task.WhenAll(UntilClosedAsync(socket), UntilBrokenAsync(lines));

        await EndAsync(how, owner, workload, console, second);
        await closed.WaitAsync(s_bound, Ct);
        using var again = await visitor.SendAsync(HttpMethod.Get, workload.Path);
        Assert.Equal((HttpStatusCode)status, again.StatusCode);
        var (late, refused) = await visitor.ConnectAsync(workload.Path + "ws");
        late.Dispose();
        Assert.Equal(status == 200 ? HttpStatusCode.SwitchingProtocols : (HttpStatusCode)status, refused);
    }

    private async Task EndAsync(string how, User owner, RunningWorkload workload, Browser console, Container second)
    {
        using var admin = host.Admin();
        switch (how)
        {
            case "stop":
                var stop = host.Services.GetRequiredService<StopWorkload>();
                Assert.IsType<Outcome<long>.Done>(
                    await stop.RunAsync(new Actor(owner.Id, owner.UserName, owner.Role), workload.Id, Ct)
                );
                break;
            case "end":
                await workload.EndAttemptAsync();
                await workload.ChangeAsync(w => w.State = WorkloadState.Failed);
                break;
            case "delete":
                await workload.EndAttemptAsync();
                await workload.ChangeAsync(w =>
                {
                    w.State = WorkloadState.Stopped;
                    w.DeletedAt = TimeProvider.System.GetUtcNow();
                });
                break;
            case "another owner":
                var other = await host.AddMemberAsync();
                await workload.ChangeAsync(w => w.OwnerId = other.Id);
                break;
            case "another container":
                await workload.RunAsync(second.Address);
                break;
            case "user disabled":
                using (
                    var patch = await admin.PatchAsync(
                        $"/api/v1/users/{owner.UserName}",
                        Answers.Json("""{"disabled":true}""")
                    )
                )
                {
                    await patch.OkAsync(HttpStatusCode.NoContent);
                }
                break;
            case "signed out":
                using (var leave = await console.PostFormAsync("/sign-out"))
                {
                    Assert.Equal(HttpStatusCode.Redirect, leave.StatusCode);
                }
                break;
            case "token revoked":
                await using (var db = await host.DbAsync())
                {
                    // By another console whose news is lost: only the regular look finds it
                    await db
                        .Tokens.Where(t => t.UserId == owner.Id)
                        .ExecuteUpdateAsync(s => s.SetProperty(t => t.RevokedAt, TimeProvider.System.GetUtcNow()), Ct);
                }
                break;
            case "password changed":
                using (
                    var change = await console.Http.PostAsJsonAsync(
                        "/api/v1/session/password",
                        new { current = ApiHost.Password, @new = "long enough now" },
                        Ct
                    )
                )
                {
                    Assert.Equal(HttpStatusCode.NoContent, change.StatusCode);
                }
                break;
            default:
                // As a change of the role leaves it; another admin here would stand in the way of other tests
                await using (var db = await host.DbAsync())
                {
                    await db
                        .Users.Where(u => u.Id == owner.Id)
                        .ExecuteUpdateAsync(s => s.SetProperty(u => u.SecurityStamp, "changed with the role"), Ct);
                }
                break;
        }
    }

    [Fact]
    public async Task An_address_that_another_container_got_is_not_reached_by_the_old_link()
    {
        await using var container = await Container.StartAsync(AnswerAsync);
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, container.Address);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = await Visitor.EnterAsync(host, console, workload);
        Assert.Equal("hello", await visitor.Http.GetStringAsync(workload.Path));
        await workload.EndAttemptAsync();
        await workload.ChangeAsync(w => w.State = WorkloadState.Stopped);
        // The same address and port, leased to somebody else's
        var tenant = await RunningWorkload.AddAsync(host, await host.AddMemberAsync(), container.Address);
        var before = container.Requests.Count;
        using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path, ("Accept", "text/html"));
        Assert.Equal(HttpStatusCode.Gone, answer.StatusCode);
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        var page = await answer.Content.ReadAsStringAsync();
        Assert.Contains("It has ended", page, StringComparison.Ordinal);
        Assert.Contains($"href=\"{host.Address}environments/{workload.Id}\"", page, StringComparison.Ordinal);
        // And it is the address of its own link
        using var theirs = await visitor.SendAsync(HttpMethod.Get, tenant.Path);
        Assert.Equal(HttpStatusCode.Unauthorized, theirs.StatusCode);
        Assert.Equal(before, container.Requests.Count);
    }

    [Fact]
    public async Task What_starts_is_waited_for_by_a_page_that_tries_again()
    {
        await using var container = await Container.StartAsync(AnswerAsync);
        var owner = await host.AddMemberAsync();
        var workload = await RunningWorkload.AddAsync(host, owner, address: null);
        using var console = await Browser.SignedInAsync(host, owner.UserName);
        using var visitor = await Visitor.EnterAsync(host, console, workload);
        await RetriesAsync("It is starting");
        // It runs, and its program does not listen yet
        await workload.RunAsync(RunningWorkload.Nowhere());
        await UntilAsync("Waiting for the program");
        await RetriesAsync("Waiting for the program");
        // It restarts, at another port
        await workload.EndAttemptAsync();
        await workload.ChangeAsync(w => w.State = WorkloadState.Restarting);
        await UntilAsync("It is starting");
        await workload.RunAsync(container.Address);
        await UntilAsync("hello");

        async Task RetriesAsync(string text)
        {
            using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path, ("Accept", "text/html"));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.NotNull(answer.Headers.RetryAfter);
            var page = await answer.Content.ReadAsStringAsync();
            Assert.Contains(text, page, StringComparison.Ordinal);
            Assert.Contains("http-equiv=\"refresh\"", page, StringComparison.Ordinal);
            Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        }

        // The news takes a moment through the database
        async Task UntilAsync(string text)
        {
            var deadline = TimeProvider.System.GetTimestamp();
            while (true)
            {
                using var answer = await visitor.SendAsync(HttpMethod.Get, workload.Path, ("Accept", "text/html"));
                var page = await answer.Content.ReadAsStringAsync();
                if (page.Contains(text, StringComparison.Ordinal))
                {
                    return;
                }
                Assert.True(TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(5), page);
                await Task.Delay(50, Ct);
            }
        }
    }

    private static async Task UntilClosedAsync(ClientWebSocket socket)
    {
        try
        {
            var got = await socket.ReceiveAsync(new byte[16], Ct);
            Assert.Equal(WebSocketMessageType.Close, got.MessageType);
        }
        catch (WebSocketException)
        {
            // Cut
        }
    }

    private static async Task UntilBrokenAsync(StreamReader lines)
    {
        try
        {
            Assert.Null(await lines.ReadLineAsync(Ct));
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Cut
        }
    }
}
