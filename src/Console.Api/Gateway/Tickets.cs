using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using DeepLab.Core.Operations.Gateway;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Gateway;

/// <summary>
/// A browser's cookie for one endpoint: sealed, so that nobody makes one; bound to workload and endpoint, so that it opens no
/// other; and naming the session it came from, so that it is worth nothing after that.
/// </summary>
internal sealed class Tickets(IDataProtectionProvider protection, GatewayAddress address)
{
    private readonly IDataProtector _box = protection.CreateProtector("DeepLab.Gateway.Ticket");

    public void Give(HttpContext context, GatewayRoute route, GatewayPass pass)
    {
        var text = Base64Url.EncodeToString(_box.Protect(JsonSerializer.SerializeToUtf8Bytes(pass)));
        var https = address.IsHttps(context.Request);
        context.Response.Cookies.Append(
            ReservedCookies.TicketOf(route),
            text,
            new CookieOptions
            {
                HttpOnly = true,
                SameSite = SameSiteMode.Lax,
                Secure = https,
                Path = route.Path,
            }
        );
    }

    /// <summary>Null where there is none, or it is not of this endpoint.</summary>
    public GatewayPass? Read(HttpRequest request, GatewayRoute route)
    {
        if (request.Cookies[ReservedCookies.TicketOf(route)] is not { Length: > 0 and < 4096 } text)
        {
            return null;
        }
        try
        {
            var pass = JsonSerializer.Deserialize<GatewayPass>(_box.Unprotect(Base64Url.DecodeFromChars(text)));
            return pass is not null && pass.WorkloadId == route.WorkloadId && pass.Endpoint == route.Endpoint
                ? pass
                : null;
        }
        catch (Exception e) when (e is CryptographicException or FormatException or JsonException)
        {
            return null;
        }
    }
}
