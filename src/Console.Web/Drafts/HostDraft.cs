using DeepLab.Core.Clusters;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Drafts;

/// <summary>A host as it is typed in. A class: a record would print its key.</summary>
public sealed class HostDraft
{
    private string _address = "";

    public string Name { get; set; } = "";
    public string Cluster { get; set; } = "";

    /// <summary>One that takes no credentials forgets those that were given.</summary>
    public string Address
    {
        get => _address;
        set
        {
            _address = value;
            if (!IsTcp)
            {
                Credentials.Clear();
            }
        }
    }

    public CredentialDraft Credentials { get; } = new();
    public string Labels { get; set; } = "";
    public string NetworkAddress { get; set; } = "";

    public bool IsTcp => EngineAddress.IsTcp(_address.Trim());

    /// <summary>What is asked for; whether it is right is the verb's to say, but for lines that are no labels at all.</summary>
    public NewHost Read(out IReadOnlyList<SpecError> errors)
    {
        var labels = new Dictionary<string, string>();
        var wrong = new List<SpecError>();
        foreach (var line in Labels.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var split = line.IndexOf('=', StringComparison.Ordinal);
            if (split < 1)
            {
                wrong.Add(new SpecError("labels", $"“{Cut(line)}” is no label; a line such as zone=a is allowed."));
            }
            else if (!labels.TryAdd(line[..split].TrimEnd(), line[(split + 1)..].TrimStart()))
            {
                wrong.Add(new SpecError("labels", $"“{Cut(line[..split])}” is there twice."));
            }
        }
        errors = wrong;
        return new NewHost(Name.Trim(), Cluster, Address.Trim(), Credentials.Read(), labels, NetworkAddress.Trim());
    }

    // A pasted essay must not become an error as long as itself
    private static string Cut(string text) => text.Length > 40 ? $"{text[..40]}…" : text;
}
