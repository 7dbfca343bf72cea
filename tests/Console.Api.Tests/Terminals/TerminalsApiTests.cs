using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using DeepLab.Api.Tests.Gateway;
using DeepLab.Core.Streams.Terminals;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Terminals;

public sealed class TerminalsApiTests(TerminalConsole console) : IClassFixture<TerminalConsole>
{
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(10);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static (string, string) Bearer(string token) => ("Authorization", $"Bearer {token}");

    private async Task<(User Owner, string Token, RunningWorkload Workload)> RunAsync()
    {
        var owner = await console.First.AddMemberAsync();
        return (
            owner,
            await console.First.SignInAsync(owner.UserName, ApiHost.Password),
            await console.RunAsync(owner)
        );
    }

    [Fact]
    public async Task Its_opener_types_hears_resizes_and_closes_it_and_it_keeps_the_environment_awake()
    {
        var (owner, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, program) = await console.OpenAsync(client, workload);
        var (socket, status) = await console.AttachAsync(workload, id, Bearer(token));
        using var _ = socket;
        Assert.Equal(HttpStatusCode.SwitchingProtocols, status);
        Assert.Matches("^<.*\"replica\":\"main-0\".*>\\$ $", await TerminalConsole.HearAsync(socket, "$ "));
        await socket.SendAsync("ls\r"u8.ToArray(), WebSocketMessageType.Binary, endOfMessage: true, Ct);
        Assert.Equal("ls\r", Encoding.UTF8.GetString(await program.Input.ReadAsync(Ct)));
        await socket.SendAsync(
            """{"resize":{"columns":120,"rows":40}}"""u8.ToArray(),
            WebSocketMessageType.Text,
            endOfMessage: true,
            Ct
        );
        program.Say("größe");
        await TerminalConsole.HearAsync(socket, "größe");
        // Messages are taken one after the other
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Binary, endOfMessage: true, Ct);
        await program.Input.ReadAsync(Ct);
        Assert.Equal([(80, 24), (120, 40)], program.Sizes);

        await using (var db = await console.First.DbAsync())
        {
            var audit = db.Audit.Where(a => a.Actor == owner.UserName && a.Action == "terminal.open");
            Assert.Equal($"main-0/1 of workload {workload.Id}", (await audit.SingleAsync(Ct)).Target);
        }
        await AwakeAsync(workload);

        using var closed = await client.DeleteAsync($"{TerminalConsole.PathOf(workload)}/{id}", Ct);
        Assert.Equal(HttpStatusCode.NoContent, closed.StatusCode);
        Assert.Contains(
            "\"reason\":\"Closed\"",
            await TerminalConsole.HearAsync(socket, "ended"),
            StringComparison.Ordinal
        );
        Assert.Equal(4002, await TerminalConsole.UntilClosedAsync(socket));
        Assert.Empty(TerminalConsole.Items(await client.GetJsonAsync(TerminalConsole.PathOf(workload))));
    }

    private async Task AwakeAsync(RunningWorkload workload)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            await using var db = await console.First.DbAsync();
            if (await db.Workloads.AnyAsync(w => w.Id == workload.Id && w.LastActiveAt != null, Ct))
            {
                return;
            }
            Assert.True(TimeProvider.System.GetElapsedTime(began) < s_bound, "it is not known to be in use");
            await Task.Delay(100, Ct);
        }
    }

    [Fact]
    public async Task Who_was_cut_off_reads_on_and_a_second_window_takes_its_place()
    {
        var (_, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, program) = await console.OpenAsync(client, workload);
        var (first, _) = await console.AttachAsync(workload, id, Bearer(token));
        using var one = first;
        await TerminalConsole.HearAsync(one, "$ ");
        var (second, _) = await console.AttachAsync(workload, id, Bearer(token));
        using var two = second;
        Assert.Equal(4001, await TerminalConsole.UntilClosedAsync(one));
        program.Say("more\n");
        Assert.EndsWith(">$ more\n", await TerminalConsole.HearAsync(two, "more\n"), StringComparison.Ordinal);
        program.End(0);
        Assert.Contains("exit code 0", await TerminalConsole.HearAsync(two, "ended"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("typed", """what is typed""", 1007)]
    [InlineData("size", """{"resize":{"columns":0,"rows":40}}""", 1007)]
    public async Task What_is_no_message_closes_the_socket_with_a_reason(string what, string text, int status)
    {
        var (_, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, _) = await console.OpenAsync(client, workload);
        var (socket, _) = await console.AttachAsync(workload, id, Bearer(token));
        using var _ = socket;
        await socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, Ct);
        Assert.True(await TerminalConsole.UntilClosedAsync(socket) == status, what);
        Assert.Contains("resize", socket.CloseStatusDescription, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Anothers_terminal_looks_like_none_and_so_does_one_of_another_console()
    {
        var (_, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, program) = await console.OpenAsync(client, workload);
        var path = TerminalConsole.PathOf(workload);
        var stranger = await console.First.AddMemberAsync();
        var others = await console.First.SignInAsync(stranger.UserName, ApiHost.Password);
        // An admin may open terminals of its own, and look into nobody's
        foreach (var who in (string[])[others, console.First.AdminToken])
        {
            using var other = console.Client(who);
            Assert.Empty(TerminalConsole.Items(await other.GetJsonAsync(path)));
            using var attach = await other.GetAsync($"{path}/{id}/attach", Ct);
            await attach.ProblemAsync(HttpStatusCode.NotFound);
            using var close = await other.DeleteAsync($"{path}/{id}", Ct);
            await close.ProblemAsync(HttpStatusCode.NotFound);
            var (socket, status) = await console.AttachAsync(workload, id, Bearer(who));
            socket.Dispose();
            Assert.Equal(HttpStatusCode.NotFound, status);
        }
        using (var other = console.Client(others))
        using (var open = await other.PostAsJsonAsync(path, new { }, Ct))
        {
            await open.ProblemAsync(HttpStatusCode.NotFound);
        }
        using (var elsewhere = console.First.Client(token))
        using (var attach = await elsewhere.GetAsync($"{path}/{id}/attach", Ct))
        {
            var problem = await attach.ProblemAsync(HttpStatusCode.NotFound);
            Assert.Contains(
                "the console that it was opened at",
                problem.GetProperty("detail").GetString(),
                StringComparison.Ordinal
            );
        }
        using var plain = await client.GetAsync($"{path}/{id}/attach", Ct);
        await plain.ProblemAsync(HttpStatusCode.BadRequest);
        Assert.False(program.IsDisposed);
    }

    [Theory]
    [InlineData("own", 101)]
    [InlineData("https://evil.example", 403)]
    [InlineData("gateway", 403)]
    [InlineData("null", 403)]
    [InlineData("", 403)]
    [InlineData("nobody", 401)]
    public async Task By_cookie_only_the_consoles_own_pages_attach(string origin, int status)
    {
        var (owner, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, _) = await console.OpenAsync(client, workload);
        using var browser = await Browser.SignedInAsync(console.Address, owner.UserName);
        List<(string, string)> headers = [];
        if (origin != "nobody")
        {
            headers.Add(("Cookie", browser.Cookies.GetCookieHeader(console.Address)));
        }
        if (origin.Length > 0)
        {
            headers.Add(
                (
                    "Origin",
                    origin switch
                    {
                        "own" or "nobody" => console.Address.GetLeftPart(UriPartial.Authority),
                        "gateway" => console.First.Gateway.GetLeftPart(UriPartial.Authority),
                        _ => origin,
                    }
                )
            );
        }
        var (socket, answered) = await console.AttachAsync(workload, id, [.. headers]);
        socket.Dispose();
        Assert.Equal((HttpStatusCode)status, answered);
    }

    [Theory]
    [InlineData("signed out")]
    [InlineData("user disabled")]
    [InlineData("another owner")]
    [InlineData("token revoked")]
    [InlineData("role changed")]
    [InlineData("attempt over")]
    public async Task It_ends_within_ten_seconds_of_its_openers_access(string how)
    {
        var (owner, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var (id, program) = await console.OpenAsync(client, workload);
        var (socket, _) = await console.AttachAsync(workload, id, Bearer(token));
        using var _ = socket;
        await TerminalConsole.HearAsync(socket, "$ ");
        var closed = TerminalConsole.UntilClosedAsync(socket);
        await using (var db = await console.First.DbAsync())
        {
            switch (how)
            {
                case "signed out":
                    using (var leave = await client.DeleteAsync("/api/v1/session", Ct))
                    {
                        Assert.Equal(HttpStatusCode.NoContent, leave.StatusCode);
                    }
                    break;
                case "user disabled":
                    using (var admin = console.First.Admin())
                    using (
                        var patch = await admin.PatchAsync(
                            $"/api/v1/users/{owner.UserName}",
                            Answers.Json("""{"disabled":true}"""),
                            Ct
                        )
                    )
                    {
                        await patch.OkAsync(HttpStatusCode.NoContent);
                    }
                    break;
                case "another owner":
                    var other = await console.First.AddMemberAsync();
                    await workload.ChangeAsync(w => w.OwnerId = other.Id);
                    break;
                case "token revoked":
                    // By another console whose news is lost
                    await db
                        .Tokens.Where(t => t.UserId == owner.Id)
                        .ExecuteUpdateAsync(s => s.SetProperty(t => t.RevokedAt, TimeProvider.System.GetUtcNow()), Ct);
                    break;
                case "role changed":
                    await db
                        .Users.Where(u => u.Id == owner.Id)
                        .ExecuteUpdateAsync(s => s.SetProperty(u => u.SecurityStamp, "changed with the role"), Ct);
                    break;
                default:
                    await workload.EndAttemptAsync();
                    break;
            }
        }
        await closed.WaitAsync(s_bound, Ct);
        var began = TimeProvider.System.GetTimestamp();
        while (!program.IsDisposed)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < s_bound, "its shell goes on");
            await Task.Delay(50, Ct);
        }
        var (late, status) = await console.AttachAsync(workload, id, Bearer(token));
        late.Dispose();
        Assert.True(
            status == (how is "signed out" or "user disabled" ? HttpStatusCode.Unauthorized : HttpStatusCode.NotFound)
                // Whose news is lost is remembered for some seconds: what was ended stays so
                || (how is "token revoked" or "role changed" && status == HttpStatusCode.Unauthorized),
            $"{status} after {how}"
        );
    }

    [Fact]
    public async Task What_cannot_be_opened_is_said_in_words()
    {
        var (_, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var path = TerminalConsole.PathOf(workload);
        using (var sizes = await client.PostAsJsonAsync(path, new { columns = 1, rows = 9999 }, Ct))
        {
            Assert.Equal(["columns", "rows"], (await sizes.ProblemAsync(HttpStatusCode.BadRequest)).Paths());
        }
        using (var replica = await client.PostAsJsonAsync(path, new { replica = "worker-7" }, Ct))
        {
            Assert.Equal(["replica"], (await replica.ProblemAsync(HttpStatusCode.UnprocessableEntity)).Paths());
        }
        var limits = new TerminalLimits();
        for (var n = 0; n < limits.MostOfWorkload; n++)
        {
            await console.OpenAsync(client, workload);
        }
        using (var full = await client.PostAsJsonAsync(path, new { }, Ct))
        {
            await full.ProblemAsync(HttpStatusCode.UnprocessableEntity);
        }
        await workload.EndAttemptAsync();
        using var over = await client.PostAsJsonAsync(path, new { }, Ct);
        await over.ProblemAsync(HttpStatusCode.Conflict);
        using var none = await client.PostAsJsonAsync("/api/v1/workloads/999999999/terminals", new { }, Ct);
        await none.ProblemAsync(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_user_has_so_many_in_all()
    {
        var (owner, token, workload) = await RunAsync();
        using var client = console.Client(token);
        var limits = new TerminalLimits();
        var all = new List<RunningWorkload> { workload, await console.RunAsync(owner), await console.RunAsync(owner) };
        for (var n = 0; n < limits.MostOfUser; n++)
        {
            await console.OpenAsync(client, all[n % 3]);
        }
        using var many = await client.PostAsJsonAsync(TerminalConsole.PathOf(workload), new { }, Ct);
        await many.ProblemAsync(HttpStatusCode.TooManyRequests);
    }
}
