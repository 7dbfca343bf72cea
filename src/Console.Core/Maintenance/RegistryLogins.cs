using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DeepLab.Core.Engines;
using DeepLab.Core.Storage;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Maintenance;

/// <summary>
/// Opens registries for pulls. A password goes to the registry it was entered for, and to the host of tokens that an admin named
/// with it; where a registry names another, nothing is sent and the pull fails.
/// </summary>
public sealed partial class RegistryLogins(IDbContextFactory<ConsoleDb> databases, SecretBox box)
    : IRegistryLogins,
        IDisposable
{
    private const string Hub = "docker.io";
    private const int LongestAnswer = 256 << 10;
    private readonly HttpClient _http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
        }
    )
    {
        Timeout = TimeSpan.FromSeconds(15),
        MaxResponseContentBufferSize = LongestAnswer,
    };

    public async Task<RegistryAccess?> ForAsync(string reference, CancellationToken ct)
    {
        if (!ImageReference.TryParse(reference, out var image, out _))
        {
            return null;
        }
        var registry = image.Registry is null or "index.docker.io" ? Hub : image.Registry.ToLowerInvariant();
        await using var db = await databases.CreateDbContextAsync(ct);
        if (
            await db.RegistryLogins.AsNoTracking().SingleOrDefaultAsync(l => l.Registry == registry, ct)
            is not { } login
        )
        {
            return null;
        }
        try
        {
            return await AskAsync(login, image, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested && e is HttpRequestException or TaskCanceledException)
        {
            throw new EngineException(
                EngineErrorKind.Other,
                $"the console asked registry {registry} how to sign in, and it did not answer: {e.GetBaseException().Message}",
                e
            );
        }
        catch (SecretBoxException e)
        {
            throw new EngineException(
                EngineErrorKind.Other,
                $"what opens registry {registry} cannot be read with this console's key; enter it again",
                e
            );
        }
    }

    private async Task<RegistryAccess?> AskAsync(RegistryLogin login, ImageReference image, CancellationToken ct)
    {
        var path = login.Registry == Hub && !image.Path.Contains('/') ? $"library/{image.Path}" : image.Path;
        var server = login.Registry == Hub ? "registry-1.docker.io" : login.Registry;
        var scheme = login.PlainHttp ? Uri.UriSchemeHttp : Uri.UriSchemeHttps;
        using var answer = await _http.GetAsync(
            new Uri($"{scheme}://{server}/v2/{path}/manifests/{image.Digest ?? image.Tag ?? "latest"}"),
            HttpCompletionOption.ResponseHeadersRead,
            ct
        );
        if (answer.StatusCode != HttpStatusCode.Unauthorized)
        {
            return null;
        }
        var challenges = answer.Headers.WwwAuthenticate;
        if (challenges.FirstOrDefault(c => IsScheme(c, "Bearer")) is { } bearer)
        {
            return await TokenAsync(login, Parameters(bearer.Parameter ?? ""), path, ct);
        }
        return challenges.Any(c => IsScheme(c, "Basic"))
            ? new RegistryAccess(login.UserName, Password(login), null)
            : null;
    }

    private async Task<RegistryAccess> TokenAsync(
        RegistryLogin login,
        Dictionary<string, string> challenge,
        string path,
        CancellationToken ct
    )
    {
        if (
            !Uri.TryCreate(challenge.GetValueOrDefault("realm"), UriKind.Absolute, out var realm)
            || !IsOwn(login, realm)
        )
        {
            throw new EngineException(
                EngineErrorKind.Other,
                $"registry {login.Registry} sends for its token to {realm?.Authority ?? "nowhere"}, which is not the host of tokens that was entered with its password; nothing was sent there"
            );
        }
        var query =
            $"service={Uri.EscapeDataString(challenge.GetValueOrDefault("service", ""))}"
            + $"&scope={Uri.EscapeDataString($"repository:{path}:pull")}";
        using var request = new HttpRequestMessage(
            HttpMethod.Get,
            new UriBuilder(realm) { Query = query, Fragment = "" }.Uri
        );
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Basic",
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.UserName}:{Password(login)}"))
        );
        using var answer = await _http.SendAsync(request, ct);
        var body = await answer.Content.ReadAsStringAsync(ct);
        if (!answer.IsSuccessStatusCode || TokenIn(body) is not { Length: > 0 } token)
        {
            throw new EngineException(
                EngineErrorKind.Other,
                $"registry {login.Registry} gave {login.UserName} no token: it answered {(int)answer.StatusCode}"
            );
        }
        return new RegistryAccess(null, null, token);
    }

    /// <summary>The registry's own host, or the one that an admin named; never without TLS where the registry has it.</summary>
    private static bool IsOwn(RegistryLogin login, Uri realm)
    {
        var host = realm.IsDefaultPort ? realm.Host : realm.Authority;
        var allowed =
            login.TokenHost is { Length: > 0 } named ? named
            : login.Registry == Hub ? "auth.docker.io"
            : login.Registry;
        return realm.UserInfo.Length == 0
            && string.Equals(host, allowed, StringComparison.OrdinalIgnoreCase)
            && realm.Scheme == (login.PlainHttp ? Uri.UriSchemeHttp : Uri.UriSchemeHttps);
    }

    private string Password(RegistryLogin login) =>
        box.Open(RegistryLogin.Purpose(login.Registry), login.SealedPassword);

    private static string? TokenIn(string body)
    {
        try
        {
            return JsonNode.Parse(body) is JsonObject o
                ? (o["token"] as JsonValue ?? o["access_token"] as JsonValue)?.ToString()
                : null;
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    private static bool IsScheme(AuthenticationHeaderValue challenge, string scheme) =>
        string.Equals(challenge.Scheme, scheme, StringComparison.OrdinalIgnoreCase);

    private static Dictionary<string, string> Parameters(string text)
    {
        var found = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var m in Parameter().EnumerateMatches(text))
        {
            var part = text.Substring(m.Index, m.Length);
            var at = part.IndexOf('=', StringComparison.Ordinal);
            found.TryAdd(part[..at], part[(at + 1)..].Trim('"'));
        }
        return found;
    }

    [GeneratedRegex("[A-Za-z]+=\"[^\"]*\"", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();

    public void Dispose() => _http.Dispose();
}
