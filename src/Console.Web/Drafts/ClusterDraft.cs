using System.Globalization;
using DeepLab.Core.Operations.Fleet;

namespace DeepLab.Web.Drafts;

/// <summary>A cluster as it is typed in.</summary>
public sealed class ClusterDraft
{
    private bool _isSwarm;

    public string Name { get; set; } = "";

    /// <summary>One that is none forgets what belongs to a Swarm.</summary>
    public bool IsSwarm
    {
        get => _isSwarm;
        set
        {
            _isSwarm = value;
            if (!value)
            {
                (ManagerAddress, NodePort) = ("", "");
                Credentials.Clear();
            }
        }
    }

    /// <summary>Its jobs may have their hosts' networks.</summary>
    public bool Trusted { get; set; }
    public string ManagerAddress { get; set; } = "";
    public string NodePort { get; set; } = "";
    public CredentialDraft Credentials { get; } = new();

    public NewCluster Read() =>
        IsSwarm
            ? new NewCluster(Name.Trim(), ManagerAddress.Trim(), Port(), Credentials.Read(), Trusted)
            : new NewCluster(Name.Trim(), null, null, new CredentialInput(null, null, null), Trusted);

    // What is no number is no port either, and the verb says at that field what is one
    private int? Port() =>
        NodePort.Trim() is { Length: > 0 } text
            ? int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
                ? port
                : 0
            : null;
}
