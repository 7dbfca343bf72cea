using System.Globalization;
using System.Security.Claims;
using System.Threading.RateLimiting;
using DeepLab.Api.Errors;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api;

/// <summary>What one user may ask of one console; the anonymous count by address.</summary>
internal static class ApiLimits
{
    /// <summary>Ordinary calls.</summary>
    public const string Calls = "calls";

    /// <summary>Calls that stay open: followed logs, waits.</summary>
    public const string Streams = "streams";
    public const string Uploads = "uploads";

    /// <summary>Each try costs a password hash.</summary>
    public const string SignIns = "sign-ins";

    public static void AddApiLimits(this IServiceCollection services) =>
        services.AddRateLimiter(o =>
        {
            o.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            o.OnRejected = async (rejected, _) =>
            {
                var seconds = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var wait)
                    ? Math.Max(1, Math.Ceiling(wait.TotalSeconds))
                    : 1;
                rejected.HttpContext.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
                await Problems.WriteAsync(
                    rejected.HttpContext,
                    StatusCodes.Status429TooManyRequests,
                    "Too many calls at once; slow down."
                );
            };
            o.AddPolicy(
                Calls,
                c =>
                    RateLimitPartition.GetTokenBucketLimiter(
                        Who(c),
                        _ => new TokenBucketRateLimiterOptions
                        {
                            TokenLimit = 4000,
                            TokensPerPeriod = 200,
                            ReplenishmentPeriod = TimeSpan.FromMilliseconds(100),
                        }
                    )
            );
            o.AddPolicy(Streams, c => RateLimitPartition.GetConcurrencyLimiter(Who(c), _ => Concurrent(256)));
            o.AddPolicy(Uploads, c => RateLimitPartition.GetConcurrencyLimiter(Who(c), _ => Concurrent(4)));
            o.AddPolicy(SignIns, c => RateLimitPartition.GetConcurrencyLimiter(Who(c), _ => Concurrent(8)));
        });

    private static ConcurrencyLimiterOptions Concurrent(int most) => new() { PermitLimit = most };

    private static string Who(HttpContext context) =>
        context.User.FindFirstValue(ClaimTypes.NameIdentifier) ?? "at " + context.Connection.RemoteIpAddress;
}
