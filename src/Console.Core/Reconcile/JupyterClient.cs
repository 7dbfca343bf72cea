using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// Asks the Jupyter of an environment, at the port that its host publishes. What answers there is a user's program: its
/// answers are small and quick, or they are none.
/// </summary>
public sealed class JupyterClient : IDisposable
{
    private const int MostBytes = 1 << 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private readonly HttpClient _http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = TimeSpan.FromSeconds(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
        }
    )
    {
        Timeout = s_patience,
        MaxResponseContentBufferSize = MostBytes,
    };

    /// <summary>Null where the page answers; else what it does instead, as the rest of a sentence.</summary>
    public async Task<string?> WhyNotUpAsync(Uri page, CancellationToken ct)
    {
        try
        {
            using var answer = await _http.GetAsync(page, HttpCompletionOption.ResponseHeadersRead, ct);
            return answer.StatusCode == HttpStatusCode.OK ? null : $"answers {(int)answer.StatusCode}";
        }
        catch (Exception e) when (IsTrouble(e, ct))
        {
            return "does not answer yet";
        }
    }

    /// <summary>When its kernels and terminals were last used, which asking does not change; null where it does not say.</summary>
    public async Task<DateTimeOffset?> LastActivityAsync(Uri jupyter, string token, CancellationToken ct) =>
        (await GetAsync(new Uri(jupyter, "api/status"), token, JupyterJson.Default.JupyterStatus, ct))?.LastActivity;

    /// <summary>Whether a kernel computes, however silently; null where it does not say. Asking counts as use to Jupyter.</summary>
    public async Task<bool?> IsBusyAsync(Uri jupyter, string token, CancellationToken ct)
    {
        var kernels = await GetAsync(
            new Uri(jupyter, "api/kernels"),
            token,
            JupyterJson.Default.JupyterKernelArray,
            ct
        );
        return kernels?.Any(k => k.ExecutionState == "busy");
    }

    public void Dispose() => _http.Dispose();

    private async Task<T?> GetAsync<T>(
        Uri address,
        string token,
        System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type,
        CancellationToken ct
    )
        where T : class
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Authorization = new AuthenticationHeaderValue("token", token);
        try
        {
            using var answer = await _http.SendAsync(request, ct);
            return answer.StatusCode == HttpStatusCode.OK
                ? JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(ct), type)
                : null;
        }
        catch (Exception e) when (e is JsonException || IsTrouble(e, ct))
        {
            return null;
        }
    }

    private static bool IsTrouble(Exception e, CancellationToken ct) =>
        e is HttpRequestException or IOException || (e is OperationCanceledException && !ct.IsCancellationRequested);
}

internal sealed record JupyterStatus([property: JsonPropertyName("last_activity")] DateTimeOffset? LastActivity);

internal sealed record JupyterKernel([property: JsonPropertyName("execution_state")] string? ExecutionState);

[JsonSerializable(typeof(JupyterStatus))]
[JsonSerializable(typeof(JupyterKernel[]))]
internal sealed partial class JupyterJson : JsonSerializerContext;
