using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>Images made, moved and taken away. Plain HTTP: what is moved is streamed, never held.</summary>
public sealed partial class DockerEngine
{
    public async Task<ImageInfo> CommitAsync(
        string container,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        CancellationToken ct
    )
    {
        var (name, tag) = ImagePulls.Split(reference);
        var seen = await AskAsync(HttpMethod.Get, $"containers/{container}/json", null, Ordinary, ct);
        var origin = await AskAsync(HttpMethod.Get, $"images/{Text(seen, "Image")}/json", null, Ordinary, ct);
        // Engines add what the container has to what is asked for here: an emptied value is as far as this goes
        var emptied = ImageConfigs.WithoutValues(origin["Config"]!, seen["Config"]!);
        var made = await AskAsync(
            HttpMethod.Post,
            $"commit?container={container}&pause=1&repo={Uri.EscapeDataString(name)}&tag={Uri.EscapeDataString(tag)}",
            JsonContent.Create(emptied),
            Unbounded,
            ct
        );
        var draft = Text(made, "Id");
        var image = await AskAsync(HttpMethod.Get, $"images/{draft}/json", null, Ordinary, ct);
        // The same layers under the configuration that we want: the engine has them, so the tar holds none
        using (var tar = ImageConfigs.Tar(image, ImageConfigs.With(origin["Config"]!, labels), reference))
        {
            await LoadImageAsync(tar, ct);
        }
        await RemoveImageAsync(draft, ct);
        return await FindImageAsync(reference, ct)
            ?? throw new EngineException(EngineErrorKind.ImageNotFound, $"The engine does not show {reference}.");
    }

    public Task<Stream> SaveImageAsync(string reference, CancellationToken ct) =>
        CallAsync(
            Unbounded,
            async (connection, bounded) =>
            {
                var path = $"/v{connection.Api}/images/get?names={Uri.EscapeDataString(reference)}";
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                var response = await _streams.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, bounded);
                await RefuseAsync(response, bounded);
                return await response.Content.ReadAsStreamAsync(bounded);
            },
            ct
        );

    public Task LoadImageAsync(Stream tar, CancellationToken ct) =>
        SendAsync("images/load?quiet=1", tar, static _ => { }, ct);

    public Task BuildImageAsync(
        Stream context,
        string reference,
        IReadOnlyDictionary<string, string> labels,
        Action<string> onText,
        CancellationToken ct
    )
    {
        var kept = Uri.EscapeDataString(JsonSerializer.Serialize(labels));
        var tag = Uri.EscapeDataString(reference);
        return SendAsync($"build?t={tag}&labels={kept}&rm=1&forcerm=1&version=1", context, onText, ct);
    }

    public async Task RemoveImageAsync(string reference, CancellationToken ct)
    {
        try
        {
            await AskAsync(
                HttpMethod.Delete,
                $"images/{Uri.EscapeDataString(reference)}",
                null,
                Slow,
                ct,
                answersObject: false
            );
        }
        catch (EngineException e) when (e.Kind is EngineErrorKind.ImageNotFound or EngineErrorKind.NotFound)
        {
            // Gone: that is what was asked for
        }
    }

    public Task<IReadOnlyList<OwnImage>> OwnImagesAsync(string installId, CancellationToken ct) =>
        CallAsync<IReadOnlyList<OwnImage>>(
            Ordinary,
            async (connection, bounded) =>
            {
                var found = await connection.Client.Images.ListImagesAsync(
                    new ImagesListParameters
                    {
                        Filters = new Dictionary<string, IDictionary<string, bool>>
                        {
                            ["label"] = new Dictionary<string, bool> { [$"{ImageLabels.Install}={installId}"] = true },
                        },
                    },
                    bounded
                );
                return
                [
                    .. found.Select(i => new OwnImage(
                        i.ID,
                        [.. (i.RepoTags ?? []).Where(t => t != "<none>:<none>")],
                        i.Size,
                        new DateTimeOffset(DateTime.SpecifyKind(i.Created, DateTimeKind.Utc)),
                        Copy(i.Labels)
                    )),
                ];
            },
            ct
        );

    private Task<JsonNode> AskAsync(
        HttpMethod method,
        string path,
        HttpContent? content,
        TimeSpan bound,
        CancellationToken ct,
        bool answersObject = true
    ) =>
        CallAsync(
            bound,
            async (connection, bounded) =>
            {
                using var request = new HttpRequestMessage(method, $"/v{connection.Api}/{path}") { Content = content };
                using var response = await _streams.SendAsync(request, bounded);
                await RefuseAsync(response, bounded);
                return answersObject
                    ? JsonNode.Parse(await response.Content.ReadAsStreamAsync(bounded))!
                    : JsonValue.Create(true);
            },
            ct
        );

    /// <summary>Sends a tar and reads what the engine says while it works on it.</summary>
    private Task SendAsync(string path, Stream tar, Action<string> onText, CancellationToken ct) =>
        CallAsync(
            Unbounded,
            async (connection, bounded) =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, $"/v{connection.Api}/{path}")
                {
                    Content = new StreamContent(tar, 1 << 17),
                };
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-tar");
                using var response = await _streams.SendAsync(
                    request,
                    HttpCompletionOption.ResponseHeadersRead,
                    bounded
                );
                await RefuseAsync(response, bounded);
                using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(bounded), Encoding.UTF8);
                while (await lines.ReadLineAsync(bounded) is { } line)
                {
                    if (line.Length > 0 && JsonNode.Parse(line) is JsonObject said)
                    {
                        if (said["error"]?.GetValue<string>() is { } error)
                        {
                            throw EngineErrors.FromProgress(error);
                        }
                        onText(ImageConfigs.Said(said));
                    }
                }
                return true;
            },
            ct
        );

    private static async Task RefuseAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (!response.IsSuccessStatusCode)
        {
            var body = await response.Content.ReadAsStringAsync(ct);
            response.Dispose();
            throw EngineErrors.FromAnswer(response.StatusCode, body);
        }
    }

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();
}
