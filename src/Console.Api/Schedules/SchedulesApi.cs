using DeepLab.Api.Auth;
using DeepLab.Core.Maintenance;
using Hangfire;
using Hangfire.Dashboard;
using Hangfire.PostgreSql;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DeepLab.Api.Schedules;

/// <summary>Upkeep by the clock, on PostgreSQL, so that several consoles run each piece once. Never the control loop.</summary>
public static class SchedulesApi
{
    public const string Dashboard = "/hangfire";

    internal static void AddApiSchedules(this IServiceCollection services)
    {
        services.AddHangfire(
            (provider, configuration) =>
                configuration
                    .SetDataCompatibilityLevel(CompatibilityLevel.Version_180)
                    .UseSimpleAssemblyNameTypeSerializer()
                    .UseRecommendedSerializerSettings()
                    .UsePostgreSqlStorage(
                        o => o.UseConnectionFactory(new Connections(provider.GetRequiredService<NpgsqlDataSource>())),
                        new PostgreSqlStorageOptions
                        {
                            // Nobody waits for upkeep: one poll in 15 s leaves an idle console idle
                            QueuePollInterval = TimeSpan.FromSeconds(15),
                            UseSlidingInvisibilityTimeout = true,
                        }
                    )
        );
        services.AddHangfireServer(o =>
        {
            // Pulls and builds wait for engines, not for a core; what is more waits here
            o.WorkerCount = 6;
            o.SchedulePollingInterval = TimeSpan.FromSeconds(15);
        });
        services.AddHostedService<Recurring>();
        services.AddHostedService<ImageWorkers>();
    }

    internal static void MapSchedules(this IEndpointRouteBuilder routes) =>
        routes
            .MapHangfireDashboard(
                Dashboard,
                new DashboardOptions
                {
                    // The default filter lets in whoever seems local, which behind a proxy is everyone
                    Authorization = [],
                    AsyncAuthorization = [new AdminsOnly()],
                    DashboardTitle = "DeepLab upkeep",
                    AppPath = "/",
                    DisplayStorageConnectionString = false,
                }
            )
            .RequireAuthorization(Policies.AdminPerson);

    private sealed class Connections(NpgsqlDataSource database) : IConnectionFactory
    {
        public NpgsqlConnection GetOrCreateConnection() => database.CreateConnection();
    }

    /// <summary>A second lock behind the endpoint's own policy.</summary>
    private sealed class AdminsOnly : IDashboardAsyncAuthorizationFilter
    {
        public Task<bool> AuthorizeAsync(DashboardContext context)
        {
            var user = context.GetHttpContext().User;
            return Task.FromResult(
                user.Identity is { IsAuthenticated: true } && Policies.IsPerson(user) && user.Actor().IsAdmin
            );
        }
    }

    private sealed class Recurring(IRecurringJobManager jobs) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            jobs.AddOrUpdate<Retention>("retention", r => r.RunAsync(CancellationToken.None), "17 * * * *");
            jobs.AddOrUpdate<ReceiptKeeping>("receipts", r => r.RunAsync(CancellationToken.None), "*/5 * * * *");
            jobs.AddOrUpdate<ImagePruning>("image-pruning", p => p.RunAsync(CancellationToken.None), "41 3 * * *");
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
