using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace DeepLab.Web.Drafts;

/// <summary>The wizard's step and its answers as an address, so that a link shows the same. The password is never in it.</summary>
public static class EnvironmentAddress
{
    public const string Page = "/environments/new";
    private const string On = "on";
    private const string Off = "off";
    private const string ReadOnly = ":ro";

    /// <summary>Begins with the home of an environment that was deleted, in its cluster and with its image.</summary>
    public static string With(string name, string cluster, string image, long home) =>
        QueryHelpers.AddQueryString(
            Page,
            new Dictionary<string, string?>
            {
                ["name"] = name,
                ["cluster"] = cluster,
                ["image"] = image,
                ["home"] = home.ToString(System.Globalization.CultureInfo.InvariantCulture),
            }
        );

    /// <param name="from">the environment that this is a copy of</param>
    public static string Write(EnvironmentDraft d, string step, long? from)
    {
        var query = new List<KeyValuePair<string, string?>>
        {
            new("step", step),
            new("from", from?.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            new("name", d.Name),
            new("cluster", d.Cluster),
            new("image", d.Image),
            new("team", d.Team.Length > 0 ? d.Team : null),
            new("host", d.Host.Length > 0 ? d.Host : null),
            new("gpus", d.Gpus),
            new("gpuModel", d.GpuModel.Length > 0 ? d.GpuModel : null),
            new("cpus", d.Cpus),
            new("memory", d.Memory),
            new("shm", d.Shm),
            new("home", d.Home.Length > 0 ? d.Home : null),
            new("jupyter", d.Jupyter ? On : Off),
            new("password", d.OwnPassword ? "own" : "none"),
            new("tensorboard", d.TensorBoard ? On : Off),
            new("ssh", d.Ssh ? On : Off),
            new("ports", d.Ports),
            new("idleAfter", d.IdleAfter),
        };
        query.AddRange(
            d.Volumes.Select(v =>
                KeyValuePair.Create("volume", (string?)$"{v.Name}:{v.MountPath}{(v.ReadOnly ? ReadOnly : "")}")
            )
        );
        query.AddRange(
            d.Datasets.Select(l => KeyValuePair.Create("dataset", (string?)$"{l.Name}:{l.Version}:{l.Path}"))
        );
        return QueryHelpers.AddQueryString(Page, query.Where(p => p.Value is not null));
    }

    /// <summary>Takes over every answer that the address holds. One with a step holds them all.</summary>
    public static void Read(string query, EnvironmentDraft d)
    {
        var given = QueryHelpers.ParseQuery(query);
        string Or(string key, string fallback) => given.TryGetValue(key, out var v) ? v.ToString() : fallback;
        bool Is(string key, string word, bool fallback) => given.TryGetValue(key, out var v) ? v == word : fallback;

        d.Name = Or("name", d.Name);
        d.Cluster = Or("cluster", d.Cluster);
        d.Image = Or("image", d.Image);
        // One with a step holds them all: what it leaves out was left empty
        var isWhole = given.ContainsKey("step");
        d.Team = Or("team", isWhole ? "" : d.Team);
        d.Host = Or("host", isWhole ? "" : d.Host);
        d.GpuModel = Or("gpuModel", isWhole ? "" : d.GpuModel);
        d.Gpus = Or("gpus", d.Gpus);
        d.Cpus = Or("cpus", d.Cpus);
        d.Memory = Or("memory", d.Memory);
        d.Shm = Or("shm", d.Shm);
        d.Home = Or("home", d.Home);
        d.Jupyter = Is("jupyter", On, d.Jupyter);
        d.OwnPassword = Is("password", "own", d.OwnPassword);
        d.TensorBoard = Is("tensorboard", On, d.TensorBoard);
        d.Ssh = Is("ssh", On, d.Ssh);
        d.Ports = Or("ports", d.Ports);
        d.IdleAfter = Or("idleAfter", d.IdleAfter);
        Lines("volume", d.Volumes, Volume);
        Lines("dataset", d.Datasets, Dataset);

        void Lines<T>(string key, List<T> into, Func<string, T> read)
        {
            var lines = given.TryGetValue(key, out var v) ? v : StringValues.Empty;
            if (lines.Count > 0 || isWhole)
            {
                into.Clear();
                into.AddRange(lines.OfType<string>().Select(read));
            }
        }
    }

    private static DatasetLine Dataset(string text)
    {
        var parts = text.Split(':', 3);
        return new DatasetLine
        {
            Name = parts[0],
            Version = parts.ElementAtOrDefault(1) ?? "",
            Path = parts.ElementAtOrDefault(2) ?? "",
        };
    }

    private static VolumeLine Volume(string text)
    {
        var isReadOnly = text.EndsWith(ReadOnly, StringComparison.Ordinal);
        var rest = isReadOnly ? text[..^ReadOnly.Length] : text;
        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        return new VolumeLine
        {
            Name = colon < 0 ? rest : rest[..colon],
            MountPath = colon < 0 ? "" : rest[(colon + 1)..],
            ReadOnly = isReadOnly,
        };
    }
}
