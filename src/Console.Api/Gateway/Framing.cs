using Microsoft.AspNetCore.Http;

namespace DeepLab.Api.Gateway;

/// <summary>Where a request's body ends must be said in one way: of two, a proxy and the program behind it may take different ones.</summary>
internal static class Framing
{
    /// <summary>The server drops Content-Length where both are there, and keeps it under this name.</summary>
    private const string Moved = "X-Content-Length";

    public static bool IsAmbiguous(HttpRequest request) =>
        request.Headers.TransferEncoding.Count > 0
        && (request.Headers.ContentLength is not null || request.Headers.ContainsKey(Moved));
}
