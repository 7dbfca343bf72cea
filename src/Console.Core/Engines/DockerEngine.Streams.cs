using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace DeepLab.Core.Engines;

/// <summary>Events, stats and logs: plain HTTP streams, without end.</summary>
public sealed partial class DockerEngine
{
    /// <summary>Not those of execs: our own looks into a hundred containers would be most of the stream.</summary>
    private const string Changes = """
        "create","start","restart","pause","unpause","update","rename","oom","kill","stop","die","destroy","health_status"
        """;

    public async IAsyncEnumerable<EngineEvent> EventsAsync(
        string installId,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var filters = $$"""{"type":["container"],"event":[{{Changes}}],"label":["{{Labels.Install}}={{installId}}"]}""";
        await using var stream = await OpenAsync($"events?filters={Uri.EscapeDataString(filters)}", ct);
        await foreach (var m in JsonLinesAsync(stream, EngineJson.Default.EventMessage, ct))
        {
            if (m is { Action: { } action, Actor: { Id: { } id } actor })
            {
                yield return new EngineEvent(
                    id,
                    action,
                    actor.Attributes ?? [],
                    DateTimeOffset.UnixEpoch.AddTicks(m.TimeNano / TimeSpan.NanosecondsPerTick)
                );
            }
        }
        throw new EngineUnreachableException($"The engine at {_address} ended its stream of events.");
    }

    public async IAsyncEnumerable<ContainerUsage> StatsAsync(string id, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var stream = await OpenAsync($"containers/{id}/stats?stream=1", ct);
        await foreach (var m in JsonLinesAsync(stream, EngineJson.Default.StatsMessage, ct))
        {
            // For a container that ended, the engine goes on sending samples with nothing in them
            if (m is null || UsageSamples.From(m) is not { } usage)
            {
                yield break;
            }
            yield return usage;
        }
    }

    public async IAsyncEnumerable<LogFrame> LogsAsync(
        string id,
        LogQuery query,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        var path = $"containers/{id}/logs?stdout=1&stderr=1&timestamps=1&follow={(query.Follow ? 1 : 0)}";
        if (query.SinceUnixNanos is { } since)
        {
            path += string.Create(
                CultureInfo.InvariantCulture,
                $"&since={since / 1_000_000_000}.{since % 1_000_000_000:D9}"
            );
        }
        if (query.Tail is { } tail)
        {
            path += $"&tail={tail}";
        }
        await using var stream = await OpenAsync(path, ct);
        await foreach (var frame in LogFrames.ReadAsync(stream, _address, _time, ct))
        {
            yield return frame;
        }
    }

    /// <summary>Bounded until the engine begins to answer; what follows has no end of its own.</summary>
    private Task<Stream> OpenAsync(string path, CancellationToken ct, [CallerMemberName] string verb = "") =>
        CallAsync(
            Ordinary,
            async (connection, bounded) =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"/v{connection.Api}/{path}");
                var response = await _streams.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, bounded);
                if (response.IsSuccessStatusCode)
                {
                    return await response.Content.ReadAsStreamAsync(bounded);
                }
                using (response)
                {
                    var body = await response.Content.ReadAsStringAsync(bounded);
                    throw EngineErrors.FromAnswer(response.StatusCode, body);
                }
            },
            ct,
            verb
        );

    private async IAsyncEnumerable<T?> JsonLinesAsync<T>(
        Stream stream,
        JsonTypeInfo<T> type,
        [EnumeratorCancellation] CancellationToken ct
    )
    {
        await using var messages = JsonSerializer
            .DeserializeAsyncEnumerable(stream, type, topLevelValues: true, ct)
            .GetAsyncEnumerator(ct);
        while (await MoveAsync(messages))
        {
            yield return messages.Current;
        }
    }

    private async ValueTask<bool> MoveAsync<T>(IAsyncEnumerator<T> messages)
    {
        try
        {
            return await messages.MoveNextAsync();
        }
        catch (JsonException e)
        {
            throw new EngineUnreachableException($"A stream from the engine at {_address} broke off.", e);
        }
        catch (Exception e) when (EngineErrors.Covers(e))
        {
            throw EngineErrors.Map(e, _address);
        }
    }
}
