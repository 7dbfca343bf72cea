using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DeepLab.Core.Engines;

/// <summary>What an image says of itself. Pure.</summary>
internal static class ImageConfigs
{
    /// <summary>The origin's configuration, with every variable that the container alone has emptied.</summary>
    public static JsonObject WithoutValues(JsonNode origin, JsonNode container)
    {
        var own = Variables(origin).ToArray();
        var names = own.Select(NameOf).ToHashSet(StringComparer.Ordinal);
        var config = (JsonObject)origin.DeepClone();
        config["Env"] = new JsonArray([
            .. own.Select(v => JsonValue.Create(v)),
            .. Variables(container)
                .Select(NameOf)
                .Where(n => !names.Contains(n))
                .Select(n => JsonValue.Create(n + "=")),
        ]);
        return config;
    }

    /// <summary>The origin's configuration with more labels.</summary>
    public static JsonObject With(JsonNode origin, IReadOnlyDictionary<string, string> labels)
    {
        var config = (JsonObject)origin.DeepClone();
        var all = config["Labels"] as JsonObject ?? [];
        foreach (var (name, value) in labels)
        {
            all[name] = value;
        }
        config["Labels"] = all.DeepClone();
        return config;
    }

    /// <summary>A tar as engines load it, of an image whose layers the engine has already.</summary>
    public static MemoryStream Tar(JsonNode image, JsonObject config, string reference)
    {
        var layers = ((JsonArray)image["RootFS"]!["Layers"]!).Select(l => l!.GetValue<string>()).ToArray();
        var document = JsonSerializer.SerializeToUtf8Bytes(
            new JsonObject
            {
                ["architecture"] = image["Architecture"]!.DeepClone(),
                ["os"] = image["Os"]!.DeepClone(),
                ["created"] = image["Created"]!.DeepClone(),
                ["config"] = config,
                ["rootfs"] = new JsonObject
                {
                    ["type"] = "layers",
                    ["diff_ids"] = new JsonArray([.. layers.Select(l => JsonValue.Create(l))]),
                },
            }
        );
        var file = Convert.ToHexStringLower(SHA256.HashData(document)) + ".json";
        var manifest = JsonSerializer.SerializeToUtf8Bytes(
            new JsonArray(
                new JsonObject
                {
                    ["Config"] = file,
                    ["RepoTags"] = new JsonArray(reference),
                    ["Layers"] = new JsonArray([
                        .. layers.Select(l => JsonValue.Create($"{l.Split(':')[^1]}/layer.tar")),
                    ]),
                }
            )
        );
        var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (name, bytes) in new[] { (file, document), ("manifest.json", manifest) })
            {
                writer.WriteEntry(
                    new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) }
                );
            }
        }
        tar.Position = 0;
        return tar;
    }

    /// <summary>What a line of a build's or a load's answer says to people; empty where nothing.</summary>
    public static string Said(JsonObject line) =>
        line["stream"]?.GetValue<string>()
        ?? (
            line["status"]?.GetValue<string>() is { } status && line["progressDetail"] is not JsonObject { Count: > 0 }
                ? status + "\n"
                : ""
        );

    private static IEnumerable<string> Variables(JsonNode config) =>
        (config["Env"] as JsonArray ?? []).Select(v => v!.GetValue<string>());

    private static string NameOf(string variable) => variable.Split('=', 2)[0];
}
