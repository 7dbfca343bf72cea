using System.Text.Json.Serialization;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Hubs;

internal static class HubServices
{
    public static void AddApiHubs(this IServiceCollection services)
    {
        services.AddSingleton<MetricTail>();
        services
            .AddSignalR()
            .AddHubOptions<LiveHub>(o => o.MaximumReceiveMessageSize = 128 << 10)
            .AddJsonProtocol(o =>
            {
                o.PayloadSerializerOptions.Converters.Add(new JsonStringEnumConverter());
                o.PayloadSerializerOptions.NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals;
            });
    }
}
