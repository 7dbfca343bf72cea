using System.Text.Json.Nodes;

namespace DeepLab.Web.Drafts;

/// <summary>
/// An environment while it is being chosen: every answer as its text, right or wrong, so that the one reader of
/// environments says what is wrong with it. A class: a record would print its password.
/// </summary>
public sealed class EnvironmentDraft
{
    public const string Never = "never";

    public string Name { get; set; } = "notebook";

    /// <summary>Empty until the clusters are known.</summary>
    public string Cluster { get; set; } = "";

    /// <summary>A name of the catalogue or a reference; empty until the catalogue is known.</summary>
    public string Image { get; set; } = "";

    /// <summary>Whose quota it counts against; empty = its owner's own.</summary>
    public string Team { get; set; } = "";

    /// <summary>The one host that it may be on; empty = any.</summary>
    public string Host { get; set; } = "";
    public string Gpus { get; set; } = "0";

    /// <summary>Empty = any.</summary>
    public string GpuModel { get; set; } = "";
    public string Cpus { get; set; } = "1";
    public string Memory { get; set; } = "2GiB";
    public string Shm { get; set; } = "512MiB";
    public List<VolumeLine> Volumes { get; } = [];
    public List<DatasetLine> Datasets { get; } = [];

    /// <summary>Id of the deleted environment whose home it takes; empty = a new one.</summary>
    public string Home { get; set; } = "";
    public bool Jupyter { get; set; } = true;

    /// <summary>Jupyter asks for <see cref="Password"/> where somebody comes past the console.</summary>
    public bool OwnPassword { get; set; }
    public string Password { get; set; } = "";
    public bool TensorBoard { get; set; }
    public bool Ssh { get; set; }

    /// <summary>`name:port`, with commas between them</summary>
    public string Ports { get; set; } = "";

    /// <summary>`hh:mm:ss`, <see cref="Never"/>, or empty = as the installation says</summary>
    public string IdleAfter { get; set; } = "";

    /// <summary>Keys that the wizard has no question for, as they were written: they pass through it.</summary>
    public JsonObject Others { get; } = [];
}
