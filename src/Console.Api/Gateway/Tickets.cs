using System.Buffers.Text;
using System.Collections.Concurrent;
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
    private const int MostKept = 10_000;

    /// <summary>Opened once: a page has a hundred files. Whether the session is good is asked elsewhere, each time.</summary>
    private readonly ConcurrentDictionary<string, GatewayPass> _opened = new(StringComparer.Ordinal);
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
        if (!_opened.TryGetValue(text, out var pass))
        {
            pass = Open(text);
            if (pass is null)
            {
                return null;
            }
            if (_opened.Count >= MostKept)
            {
                _opened.Clear();
            }
            _opened[text] = pass;
        }
        return pass.WorkloadId == route.WorkloadId && pass.Endpoint == route.Endpoint ? pass : null;
    }

    private GatewayPass? Open(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<GatewayPass>(_box.Unprotect(Base64Url.DecodeFromChars(text)));
        }
        catch (Exception e) when (e is CryptographicException or FormatException or JsonException)
        {
            return null;
        }
    }
}
