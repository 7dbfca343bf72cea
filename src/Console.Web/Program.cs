using DeepLab.Api;
using DeepLab.Api.Gateway;
using DeepLab.Api.Health;
using DeepLab.Core;
using DeepLab.Core.Storage;
using DeepLab.Web;
using Microsoft.AspNetCore.Connections;

ConsoleOptions options;
try
{
    options = ConsoleOptions.FromEnvironment(Environment.GetEnvironmentVariable);
}
catch (InvalidOperationException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 2;
}

var builder = WebApplication.CreateBuilder(args);
var connections = ConnectionLimit.OfThisProcess();
builder.WebHost.ConfigureKestrel(o =>
{
    o.AddServerHeader = false;
    o.ConfigureEndpointDefaults(e => e.Use(connections.Before));
});
builder.ListenForGateway(options);
builder.Services.AddDeepLabCore(options).AddDeepLabLoop().AddDeepLabApi(options).AddDeepLabPages();
builder.Services.AddHealthChecks().AddCheck<DatabaseCheck>("database", tags: [HealthApi.ReadyTag]);

// A loop that fails must not take the doors with it: each catches what it can, and the host says what it could not
builder.Services.Configure<HostOptions>(o =>
    o.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.Ignore
);

await using var app = builder.Build();
await Startup.PrepareAsync(app.Services, app.Lifetime.ApplicationStopping);
app.UseDeepLabApi();
app.MapDeepLabApi();
app.MapDeepLabPages();
await app.RunAsync();
return 0;
