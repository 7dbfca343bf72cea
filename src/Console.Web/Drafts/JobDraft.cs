using System.Text.Json.Nodes;

namespace DeepLab.Web.Drafts;

public enum DraftSource
{
    /// <summary>The image's own files and command.</summary>
    Image,
    Script,
    Code,
}

public sealed class EnvLine
{
    public string Name { get; set; } = "";
    public string Value { get; set; } = "";
}

public sealed class VolumeLine
{
    public string Name { get; set; } = "";
    public string MountPath { get; set; } = "";
    public bool ReadOnly { get; set; }
}

public sealed class DatasetLine
{
    public string Name { get; set; } = "";
    public string Version { get; set; } = "";
    public string Path { get; set; } = "";
}

public sealed class PatternLine
{
    public string Text { get; set; } = "";
}

/// <summary>
/// A job's spec while it is being written: every field as its text, right or wrong, so that the one reader of specs says
/// what is wrong with it. <see cref="DraftJson"/> turns it into JSON and back.
/// </summary>
public sealed partial class JobDraft
{
    public string Name { get; set; } = "";
    public string Cluster { get; set; } = "local";
    public string Image { get; set; } = "";
    public DraftSource Source { get; set; } = DraftSource.Script;
    public string Script { get; set; } = "";

    /// <summary>`sha256:…`</summary>
    public string Code { get; set; } = "";
    public string Role { get; set; } = "worker";
    public string Command { get; set; } = "";
    public string Replicas { get; set; } = "1";
    public string Gpus { get; set; } = "0";
    public string GpuModel { get; set; } = "";
    public string GpuMemory { get; set; } = "";
    public string Cpus { get; set; } = "1";
    public string Memory { get; set; } = "1GiB";
    public string Shm { get; set; } = "256MiB";
    public List<EnvLine> Env { get; } = [];
    public List<VolumeLine> Volumes { get; } = [];
    public List<DatasetLine> Datasets { get; } = [];

    /// <summary>It has the networks of its hosts.</summary>
    public bool HostNetwork { get; set; }

    /// <summary>It is a final test run.</summary>
    public bool Final { get; set; }

    /// <summary>Metrics are read out of its log.</summary>
    public bool LogMetrics { get; set; }

    /// <summary>Empty ones say nothing; without any, every `name=value` is a metric.</summary>
    public List<PatternLine> LogPatterns { get; } = [];
    public string CheckpointSteps { get; set; } = "";

    /// <summary>Name of a volume of the lab; empty = the job's own.</summary>
    public string CheckpointVolume { get; set; } = "";
    public string CheckpointKeep { get; set; } = "";

    /// <summary>Name of the metric by which the best stays too; empty = none does.</summary>
    public string CheckpointBestBy { get; set; } = "";

    /// <summary>No field: it passes through the form.</summary>
    public string CheckpointBest { get; set; } = "";

    /// <summary>No field: it passes through the form.</summary>
    public string CheckpointGlob { get; set; } = "";
    public string MaxRestarts { get; set; } = "0";
    public string Priority { get; set; } = "50";

    /// <summary>`hh:mm:ss`, empty = no limit</summary>
    public string MaxDuration { get; set; } = "";

    /// <summary>Keys of the spec that the form has no field for, as they were written: they pass through it.</summary>
    public JsonObject Others { get; } = [];

    /// <summary>Keys of the role that the form shows, but has no field for.</summary>
    public JsonObject RoleOthers { get; } = [];

    /// <summary>The other roles; the form shows of them how many parameter servers there are.</summary>
    public JsonArray MoreRoles { get; } = [];

    /// <summary>Makes a job of what was read from an environment: its image, volumes and resources, with a script to write.</summary>
    public void OfEnvironment()
    {
        // Only environments have these
        Others.Remove("kind");
        Others.Remove("environment");
        Name += "-job";
        Role = "worker";
        Source = DraftSource.Script;
        Script = "#!/usr/bin/env python3\n";
    }
}
