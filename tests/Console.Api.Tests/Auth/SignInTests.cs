using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using DeepLab.Api.Auth;

namespace DeepLab.Api.Tests.Auth;

public sealed class SignInTests(ApiHost host)
{
    private sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    [Fact]
    public async Task Guessing_is_answered_with_429_and_a_pause()
    {
        var member = await host.AddMemberAsync();
        using var client = host.Client();
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 11; i++)
        {
            using var answer = await client.PostAsJsonAsync(
                "/api/v1/session",
                new { userName = member.UserName, password = "wrong" }
            );
            statuses.Add(answer.StatusCode);
            if (i == 10)
            {
                await answer.ProblemAsync(HttpStatusCode.TooManyRequests);
                Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 5);
            }
        }
        Assert.All(statuses.Take(10), s => Assert.Equal(HttpStatusCode.Unauthorized, s));
        // Others at the same address sign in as before
        Assert.NotEmpty(await host.SignInAsync("admin", ApiHost.Password));
    }

    [Fact]
    public void Pauses_double_and_end()
    {
        var time = new ManualTime();
        var throttle = new SignInThrottle(time);
        for (var i = 0; i < SignInThrottle.Free; i++)
        {
            Assert.Null(throttle.Begin("Ann", "a"));
        }
        Assert.Equal(TimeSpan.FromSeconds(5), throttle.Begin("ann", "a"));
        // Neither another account nor another address is slowed
        Assert.Null(throttle.Begin("bob", "a"));
        Assert.Null(throttle.Begin("ann", "b"));
        time.Now += TimeSpan.FromSeconds(5);
        Assert.Null(throttle.Begin("ann", "a"));
        Assert.Equal(TimeSpan.FromSeconds(10), throttle.Begin("ann", "a"));
        for (var i = 0; i < 20; i++)
        {
            time.Now += throttle.Begin("ann", "a") ?? TimeSpan.Zero;
        }
        Assert.InRange(throttle.Begin("ann", "a") ?? TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromMinutes(5));
        time.Now += TimeSpan.FromMinutes(11);
        Assert.Null(throttle.Begin("ann", "a"));
        Assert.Null(throttle.Begin("ann", "a"));
    }

    [Fact]
    public void An_empty_name_is_an_account_like_any_other()
    {
        var throttle = new SignInThrottle(new ManualTime());
        while (throttle.Begin("", "a") is null) { }
        Assert.Null(throttle.Begin("ann", "a"));
    }

    [Fact]
    public void Success_clears_the_count()
    {
        var throttle = new SignInThrottle(new ManualTime());
        for (var i = 0; i < 400; i++)
        {
            Assert.Null(throttle.Begin("ann", "a"));
            throttle.Succeeded("ann", "a");
        }
    }

    [Fact]
    public void An_address_has_a_budget_over_all_accounts()
    {
        var throttle = new SignInThrottle(new ManualTime());
        var free = Enumerable.Range(0, 200).TakeWhile(i => throttle.Begin($"user{i}", "a") is null).Count();
        Assert.Equal(100, free);
    }

    [Fact]
    public async Task Unknown_names_cost_what_known_ones_do()
    {
        // The check itself, without the throttle and the network, interleaved
        using var passwords = new Passwords();
        var user = await host.AddMemberAsync();
        await passwords.CheckAsync(null, "warm", CancellationToken.None);
        var known = new List<double>();
        var unknown = new List<double>();
        for (var i = 0; i < 9; i++)
        {
            known.Add(await TimeAsync(() => passwords.CheckAsync(user, "wrong", CancellationToken.None)));
            unknown.Add(await TimeAsync(() => passwords.CheckAsync(null, "wrong", CancellationToken.None)));
        }
        // Without the hash an unknown name would take a thousandth. Minima, since the machine has other work
        Assert.InRange(unknown.Min() / known.Min(), 0.5, 2.0);
    }

    private static async Task<double> TimeAsync(Func<Task<bool>> check)
    {
        var start = Stopwatch.GetTimestamp();
        Assert.False(await check());
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    [Fact]
    public void Hashes_cost_at_least_210_000_rounds()
    {
        using var passwords = new Passwords();
        var hash = Convert.FromBase64String(passwords.Hash("x"));
        // Identity's format 3: a marker, the function (2 = SHA-512), the rounds, big-endian
        Assert.Equal(1, hash[0]);
        Assert.Equal(2, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(hash.AsSpan(1)));
        Assert.True(System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(hash.AsSpan(5)) >= 210_000);
    }

    [Theory]
    [InlineData("a\0b")]
    [InlineData("")]
    [InlineData("'; drop table users; --")]
    public async Task Strange_names_are_merely_wrong(string userName)
    {
        using var client = host.Client();
        using var answer = await client.PostAsJsonAsync("/api/v1/session", new { userName, password = "wrong" });
        await answer.ProblemAsync(HttpStatusCode.Unauthorized);
    }
}
