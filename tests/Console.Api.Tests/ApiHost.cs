using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using DeepLab.Api.Auth;
using DeepLab.Api.Gateway;
using DeepLab.Core;
using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DeepLab.Api.Tests;

/// <summary>
/// The doors on a real Kestrel and a database of their own, without pages and without the control loop. One for all tests of the
/// API; the gateway's tests with a real engine and a real browser have one each.
/// </summary>
public sealed class ApiHost : IAsyncLifetime
{
    public const string Password = "correct horse battery staple";
    private readonly string _database = "deeplab_api_" + Guid.NewGuid().ToString("N")[..12];
    private readonly string _folder = Directory.CreateTempSubdirectory("deeplab-api-").FullName;
    private WebApplication? _app;

    public Uri Address { get; private set; } = null!;

    /// <summary>The gateway's origin: another port of the same address.</summary>
    public Uri Gateway { get; } = new($"http://127.0.0.1:{FreePort()}");
    public ConsoleOptions Options { get; private set; } = null!;
    public string DataFolder => _folder;
    public IServiceProvider Services => _app!.Services;

    /// <summary>The admin's token with all scopes.</summary>
    public string AdminToken { get; private set; } = "";

    private static string Server =>
        Environment.GetEnvironmentVariable("DEEPLAB_TEST_DB")
        ?? throw new InvalidOperationException(
            "DEEPLAB_TEST_DB must hold a connection string that may create databases."
        );

    public async ValueTask InitializeAsync()
    {
        await OnServerAsync($"create database {_database}");
        Options = new ConsoleOptions
        {
            Database = new NpgsqlConnectionStringBuilder(Server) { Database = _database }.ConnectionString,
            DataFolder = _folder,
            FirstPassword = Password,
            Gateway = At(Gateway),
        };
        _app = Build(Options);
        await _app.Services.GetRequiredService<Bootstrap>().RunAsync(CancellationToken.None);
        await _app.Services.GetRequiredService<FirstAdmin>().RunAsync(CancellationToken.None);
        await _app.StartAsync();
        Address = new Uri(_app.Urls.First());
        AdminToken = await SignInAsync("admin", Password);
    }

    /// <summary>Another console on the same database, with options of its own.</summary>
    public static WebApplication Build(ConsoleOptions options, Action<IServiceCollection>? change = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.ListenForGateway(options);
        builder.Services.AddDeepLabCore(options);
        builder.Services.AddDeepLabApi(options);
        change?.Invoke(builder.Services);
        var app = builder.Build();
        app.UseDeepLabApi();
        app.MapDeepLabApi();
        // Stands in for the sign-in page, which takes POST as pages do, at the address of the form's own endpoint
        app.MapMethods(
                "/sign-in",
                ["GET", "POST"],
                (HttpContext c, IAntiforgery a) => a.GetAndStoreTokens(c).RequestToken!
            )
            .AllowAnonymous();
        app.MapGet("/", () => "first page");
        return app;
    }

    public static GatewayOptions At(Uri address, bool hostPerEndpoint = false) =>
        new()
        {
            Host = hostPerEndpoint ? "localhost" : address.Host,
            Port = address.Port,
            HostPerEndpoint = hostPerEndpoint,
            Listen = $"http://127.0.0.1:{address.Port}",
            ListenPort = address.Port,
        };

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>A client without cookies or redirects.</summary>
    public HttpClient Client(string? token = null)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false })
        {
            BaseAddress = Address,
        };
        if (token is not null)
        {
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
        return client;
    }

    public HttpClient Admin() => Client(AdminToken);

    public async Task<string> SignInAsync(string userName, string password, params string[] scopes)
    {
        using var client = Client();
        object body =
            scopes.Length == 0
                ? new { userName, password }
                : new
                {
                    userName,
                    password,
                    scopes,
                    name = "scoped",
                };
        using var answer = await client.PostAsJsonAsync("/api/v1/session", body);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("token").GetString()!;
    }

    /// <summary>A member with <see cref="Password"/> as password.</summary>
    public async Task<User> AddMemberAsync()
    {
        var user = new User
        {
            Id = Guid.NewGuid(),
            UserName = "member-" + Guid.NewGuid().ToString("N")[..8],
            PasswordHash = Services.GetRequiredService<Passwords>().Hash(Password),
            SecurityStamp = Guid.NewGuid().ToString("N"),
            CreatedAt = TimeProvider.System.GetUtcNow(),
        };
        await using var db = await DbAsync();
        db.Users.Add(user);
        await db.SaveChangesAsync();
        return user;
    }

    /// <summary>No control loop runs here; this makes the machines there are such that jobs fit on them.</summary>
    public async Task MakeRoomAsync()
    {
        await using var db = await DbAsync();
        await foreach (var machine in db.Hosts.AsAsyncEnumerable())
        {
            machine.UnreachableSince = null;
            machine.Preflight = new PreflightReport(TimeProvider.System.GetUtcNow(), []);
            machine.Cpus = 8;
            machine.MemoryBytes = 64L << 30;
            machine.SettleAs("");
        }
        await db.SaveChangesAsync();
    }

    public Task<ConsoleDb> DbAsync() =>
        Services.GetRequiredService<IDbContextFactory<ConsoleDb>>().CreateDbContextAsync();

    private static async Task OnServerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(Server);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }
        await TestDatabases.DropAsync(Server, _database);
        Directory.Delete(_folder, recursive: true);
    }
}
