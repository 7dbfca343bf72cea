using System.Collections.Concurrent;
using System.Formats.Tar;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>
/// A registry that simulated hosts reach on their bridge: the read half of the registry's HTTP API, for small images that
/// hold nothing but random bytes. It misbehaves as a test asks it to, and keeps what it was asked for.
/// </summary>
public sealed class TestRegistry : IAsyncDisposable
{
    /// <summary>The bridge of the simulated hosts, which is there once one of them is up.</summary>
    private static readonly IPAddress s_bridge = IPAddress.Parse("10.88.0.1");
    private const string ManifestType = "application/vnd.docker.distribution.manifest.v2+json";
    private const string ConfigType = "application/vnd.docker.container.image.v1+json";
    private const string LayerType = "application/vnd.docker.image.rootfs.diff.tar";

    private readonly WebApplication _server;
    private readonly ConcurrentDictionary<string, (string Type, byte[] Bytes)> _blobs = new();
    private readonly ConcurrentDictionary<string, string> _tags = new();
    private readonly ConcurrentQueue<string> _requests = new();

    private TestRegistry(WebApplication server) => _server = server;

    /// <summary>The only program of such an image: the engine puts its own init there.</summary>
    public const string Program = "/sbin/docker-init";

    /// <summary>`ip:port`, the first part of an image's reference.</summary>
    public string Name => new Uri(_server.Urls.Single()).Authority;

    /// <summary>Paths in the order in which they were asked for, without `/v2/`.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>Asked before anything is looked at; true where it has answered by itself.</summary>
    public Func<HttpContext, Task<bool>> Guard { get; set; } = _ => Task.FromResult(false);

    /// <summary>Asked before each answer; true where it has answered by itself.</summary>
    public Func<HttpContext, string, Task<bool>> Fault { get; set; } = (_, _) => Task.FromResult(false);

    /// <summary>Told after each answer that was one.</summary>
    public Action<string> Answered { get; set; } = _ => { };

    public static async Task<TestRegistry> StartAsync(CancellationToken ct)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(s_bridge, 0));
        var registry = new TestRegistry(builder.Build());
        registry._server.Run(registry.AnswerAsync);
        await registry._server.StartAsync(ct);
        return registry;
    }

    /// <summary>Makes an image, another one at every call, and moves the tag to it. Answers its digest.</summary>
    public string Push(string repository, string tag, int bytes = 1 << 10)
    {
        var layer = Layer(RandomNumberGenerator.GetBytes(bytes));
        var layerDigest = Keep(LayerType, layer);
        var config = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                architecture = "amd64",
                os = "linux",
                config = new { },
                rootfs = new { type = "layers", diff_ids = new[] { layerDigest } },
            }
        );
        var manifest = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                schemaVersion = 2,
                mediaType = ManifestType,
                config = new
                {
                    mediaType = ConfigType,
                    size = config.Length,
                    digest = Keep(ConfigType, config),
                },
                layers = new[]
                {
                    new
                    {
                        mediaType = LayerType,
                        size = layer.Length,
                        digest = layerDigest,
                    },
                },
            }
        );
        return _tags[$"{repository}:{tag}"] = Keep(ManifestType, manifest);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!.TrimStart('/');
        if (await Guard(context))
        {
            return;
        }
        if (path is "v2/" or "v2")
        {
            return;
        }
        path = path["v2/".Length..];
        _requests.Enqueue(path);
        if (await Fault(context, path))
        {
            return;
        }
        var at = path.LastIndexOf('/');
        var (kind, what) = (path[..at], path[(at + 1)..]);
        var digest = what.StartsWith("sha256:", StringComparison.Ordinal)
            ? what
            : _tags.GetValueOrDefault($"{kind[..^"/manifests".Length]}:{what}");
        if (digest is null || !_blobs.TryGetValue(digest, out var blob))
        {
            await RefuseAsync(context, HttpStatusCode.NotFound, "MANIFEST_UNKNOWN", "manifest unknown");
            return;
        }
        context.Response.ContentType = blob.Type;
        context.Response.ContentLength = blob.Bytes.Length;
        context.Response.Headers["Docker-Content-Digest"] = digest;
        if (HttpMethods.IsGet(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(blob.Bytes);
        }
        Answered(path);
    }

    /// <summary>As registries say no.</summary>
    public static async Task<bool> RefuseAsync(HttpContext context, HttpStatusCode status, string code, string message)
    {
        context.Response.StatusCode = (int)status;
        await context.Response.WriteAsJsonAsync(new { errors = new[] { new { code, message } } });
        return true;
    }

    private string Keep(string type, byte[] bytes)
    {
        var digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";
        _blobs[digest] = (type, bytes);
        return digest;
    }

    private static byte[] Layer(byte[] content)
    {
        using var bytes = new MemoryStream();
        using (var tar = new TarWriter(bytes))
        {
            tar.WriteEntry(
                new PaxTarEntry(TarEntryType.RegularFile, "content") { DataStream = new MemoryStream(content) }
            );
        }
        return bytes.ToArray();
    }
}
