using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DeepLab.Core.Volumes;

namespace DeepLab.Core.Workloads;

/// <summary>
/// Writes a spec in its one normal form: every default spelled out, keys in one order, so that equal specs have equal
/// text and a hash of it names the spec. <see cref="SpecReader"/> reads it back as the same spec.
/// </summary>
public static class SpecWriter
{
    // The text is stored and shown as text, never put into markup unescaped
    private static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    public static string Write(JobSpec spec, bool indented = false)
    {
        using var stream = new MemoryStream();
        using (
            var w = new Utf8JsonWriter(
                stream,
                new JsonWriterOptions
                {
                    Encoder = Encoder,
                    Indented = indented,
                    NewLine = "\n",
                }
            )
        )
        {
            w.WriteStartObject();
            w.WriteString("name", spec.Name);
            w.WriteString("cluster", spec.Cluster);
            Optional(w, "team", spec.Team);
            w.WriteString("image", spec.Image);
            Optional(w, "code", spec.Code);
            Optional(w, "script", spec.Script);
            // Left out where it is the plain one, as in every spec that was stored before there were others
            if (spec.Topology != Topology.Peers)
            {
                w.WriteString("topology", Topologies.NameOf(spec.Topology));
            }
            if (spec.HostNetwork)
            {
                w.WriteString("network", HostNetworks.Host);
            }
            w.WriteStartArray("roles");
            foreach (var role in spec.Roles)
            {
                Write(w, role);
            }
            w.WriteEndArray();
            WriteEnv(w, spec.Env);
            // Left out where there are none, as in every spec that was stored before there were volumes
            if (spec.Volumes.Length > 0)
            {
                Write(w, spec.Volumes);
            }
            if (spec.Datasets.Length > 0)
            {
                SpecDatasets.Write(w, spec.Datasets);
            }
            if (spec.Final)
            {
                w.WriteBoolean("final", true);
            }
            if (spec.Checkpoint is { } checkpoint)
            {
                SpecCheckpoint.Write(w, checkpoint);
            }
            if (spec.Metrics is { } metrics)
            {
                SpecMetrics.Write(w, metrics);
            }
            if (spec.TensorBoard is { } tensorBoard)
            {
                w.WriteBoolean("tensorboard", tensorBoard);
            }
            w.WriteStartObject("restart");
            w.WriteNumber("maxRestarts", spec.Restart.MaxRestarts);
            w.WriteEndObject();
            w.WriteNumber("priority", spec.Priority);
            w.WriteBoolean("preemptible", spec.Preemptible);
            Write(w, spec.Placement);
            Optional(w, "maxDuration", spec.MaxDuration?.ToString("c"));
            // Left out where there are none, as in every spec that was stored before there were any
            if (spec.Labels.Count > 0)
            {
                SpecLabels.Write(w, "labels", spec.Labels);
            }
            if (spec.Git is { } git)
            {
                SpecGit.Write(w, git);
            }
            if (spec.Environment is { } environment)
            {
                SpecEnvironment.Write(w, environment);
            }
            w.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static void WriteEnv(Utf8JsonWriter w, ImmutableSortedDictionary<string, string> env)
    {
        w.WriteStartObject("env");
        foreach (var (name, value) in env.OrderBy(e => e.Key, StringComparer.Ordinal))
        {
            w.WriteString(name, value);
        }
        w.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter w, ImmutableArray<VolumeMount> volumes)
    {
        w.WriteStartArray("volumes");
        foreach (var volume in volumes)
        {
            w.WriteStartObject();
            w.WriteString("name", volume.Name);
            w.WriteString("mountPath", volume.MountPath);
            w.WriteBoolean("readOnly", volume.ReadOnly);
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter w, PlacementSpec placement)
    {
        w.WriteStartObject("placement");
        w.WriteString("mode", SpecPlacement.NameOf(placement.Mode));
        SpecLabels.Write(w, "hostLabels", placement.HostLabels);
        w.WriteStartArray("excludeHosts");
        foreach (var host in placement.ExcludeHosts.Order(StringComparer.Ordinal))
        {
            w.WriteStringValue(host);
        }
        w.WriteEndArray();
        if (placement.OnlyHosts.Length > 0)
        {
            w.WriteStartArray("onlyHosts");
            foreach (var host in placement.OnlyHosts.Order(StringComparer.Ordinal))
            {
                w.WriteStringValue(host);
            }
            w.WriteEndArray();
        }
        w.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter w, RoleSpec role)
    {
        w.WriteStartObject();
        w.WriteString("name", role.Name);
        Optional(w, "image", role.Image);
        w.WriteNumber("replicas", role.Replicas);
        if (role.MinReplicas is { } fewest)
        {
            w.WriteNumber("minReplicas", fewest);
        }
        w.WriteStartArray("command");
        foreach (var argument in role.Command)
        {
            w.WriteStringValue(argument);
        }
        w.WriteEndArray();
        if (role.Env.Count > 0)
        {
            WriteEnv(w, role.Env);
        }
        if (role.Deciding is { } deciding)
        {
            w.WriteBoolean("deciding", deciding);
        }
        // Left out where it is the plain one, as in every spec that was stored before there was another
        if (role.RestartScope != RestartScope.Gang)
        {
            w.WriteString("restartScope", Topologies.NameOf(role.RestartScope));
        }
        var r = role.Resources;
        w.WriteStartObject("resources");
        w.WriteNumber("gpus", r.Gpus);
        Optional(w, "gpuModel", r.GpuModel);
        Optional(w, "gpuMemory", r.GpuMemory is { } least ? Quantity.Format(least) : null);
        w.WriteNumber("cpus", (decimal)r.Cpus);
        w.WriteString("memory", Quantity.Format(r.Memory));
        w.WriteString("shm", Quantity.Format(r.Shm));
        w.WriteEndObject();
        w.WriteEndObject();
    }

    private static void Optional(Utf8JsonWriter w, string name, string? value)
    {
        if (value is not null)
        {
            w.WriteString(name, value);
        }
    }
}
