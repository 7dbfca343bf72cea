using DeepLab.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DeepLab.Api.Gateway;

public static class GatewayServices
{
    /// <summary>Lets the server listen for the gateway, beside what it listens on for the console.</summary>
    public static void ListenForGateway(this WebApplicationBuilder builder, ConsoleOptions options)
    {
        if (options.Gateway is not { Listen.Length: > 0 } gateway)
        {
            return;
        }
        var console = builder.Configuration[WebHostDefaults.ServerUrlsKey];
        if (string.IsNullOrEmpty(console))
        {
            var ports = (builder.Configuration[WebHostDefaults.HttpPortsKey] ?? "").Split(
                ';',
                StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
            );
            console = ports.Length > 0 ? string.Join(';', ports.Select(p => $"http://*:{p}")) : "http://localhost:5000";
        }
        builder.WebHost.UseUrls([.. console.Split(';'), gateway.Listen]);
    }

    internal static void AddGateway(this IServiceCollection services)
    {
        services.AddHttpForwarder();
        services.TryAddSingleton(GatewayTimeouts.Default);
        services.AddSingleton<GatewayAddress>();
        services.AddSingleton<Tickets>();
        services.AddSingleton<Doors>();
        services.AddSingleton<OpenRequests>();
        services.AddSingleton<ContainerForwarder>();
        services.AddSingleton<GatewayUse>();
        services.AddHostedService<AccessWatch>();
    }
}
