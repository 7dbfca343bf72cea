using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Gateway;

/// <param name="Code">`dlc_…`, told once and never kept</param>
public sealed record IssuedCode(string Code, DateTimeOffset ExpiresAt);

/// <summary>Who may enter which endpoint: a session or token, as long as it is good and its user's stamp the same.</summary>
/// <param name="Console">`https://lab.example`: where it was asked for</param>
public sealed record GatewayPass(long WorkloadId, string Endpoint, Guid TokenId, string SecurityStamp, string Console);

/// <summary>One-time codes with which a browser goes from the console's origin to the gateway's.</summary>
public sealed class GatewayCodes(IDbContextFactory<ConsoleDb> databases, EndpointReader endpoints, TimeProvider time)
{
    public const string Prefix = "dlc_";
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    /// <summary>A code for an endpoint that the actor may open; leaves an audit row.</summary>
    public async Task<Outcome<IssuedCode>> IssueAsync(Actor actor, GatewayPass pass, CancellationToken ct)
    {
        if (
            await endpoints.FindAsync(pass.WorkloadId, pass.Endpoint, ct) is not { } door
            || door.IsDeleted
            || !door.MayBeOpenedBy(actor)
        )
        {
            return new Outcome<IssuedCode>.NotFound();
        }
        var code = Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var now = time.GetUtcNow();
        return await VerbTransaction.RunAsync<IssuedCode>(
            databases,
            async db =>
            {
                await db.GatewayCodes.Where(c => c.ExpiresAt < now).ExecuteDeleteAsync(ct);
                db.GatewayCodes.Add(
                    new GatewayCode
                    {
                        Hash = HashOf(code),
                        WorkloadId = pass.WorkloadId,
                        Endpoint = pass.Endpoint,
                        TokenId = pass.TokenId,
                        SecurityStamp = pass.SecurityStamp,
                        Console = pass.Console,
                        ExpiresAt = now + Lifetime,
                    }
                );
                db.AddAudit(now, actor.UserName, "endpoint.open", $"{pass.Endpoint} of workload {pass.WorkloadId}");
                return new Outcome<IssuedCode>.Done(new IssuedCode(code, now + Lifetime));
            },
            ct
        );
    }

    /// <summary>What the code was given for; null where it is unknown, too old, or was used: of two who use it, one gets in.</summary>
    public async Task<GatewayPass?> RedeemAsync(string code, CancellationToken ct)
    {
        var hash = HashOf(code);
        await using var db = await databases.CreateDbContextAsync(ct);
        var taken = await db
            .GatewayCodes.FromSql($"delete from gateway_codes where hash = {hash} returning *")
            .AsNoTracking()
            .ToListAsync(ct);
        return taken is [var c] && c.ExpiresAt > time.GetUtcNow()
            ? new GatewayPass(c.WorkloadId, c.Endpoint, c.TokenId, c.SecurityStamp, c.Console)
            : null;
    }

    private static byte[] HashOf(string code) => SHA256.HashData(Encoding.UTF8.GetBytes(code));
}
