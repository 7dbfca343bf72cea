using System.Text.RegularExpressions;
using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>CA, client certificate and key as they come in, all PEM; all three or none.</summary>
public sealed record CredentialInput(string? Ca, string? Certificate, string? Key)
{
    public bool IsEmpty => Ca is null && Certificate is null && Key is null;

    /// <summary>A record would print its members, and the key with them.</summary>
    public override string ToString() => "engine credentials";
}

/// <summary>Checks what operators enter about hosts, clusters, volumes and datasets, and gathers everything that is wrong with it.</summary>
internal sealed partial class FleetInput
{
    private const int MostLabels = 32;
    private const int LongestValue = 255;
    private const int LongestDescription = 500;
    private readonly List<SpecError> _errors = [];

    public IReadOnlyList<SpecError> Errors => _errors;

    /// <summary>What is none is the name of nothing, and is not asked for in the database.</summary>
    public static bool IsName(string name) => NamePattern().IsMatch(name);

    public void Name(string path, string name)
    {
        if (!IsName(name))
        {
            Add(path, "1 to 63 small letters, digits, '-', '_' and '.' are allowed, a letter or digit first.");
        }
    }

    public void Description(string? text)
    {
        if (text?.Length > LongestDescription)
        {
            Add("description", $"At most {LongestDescription} characters are allowed.");
        }
    }

    public void Address(string path, string address)
    {
        if (!EngineAddress.TryParse(address, out _))
        {
            Add(path, $"{EngineAddress.Allowed} are allowed.");
        }
    }

    /// <summary>What other hosts dial: a name or an address, nothing else.</summary>
    public void NetworkAddress(string path, string address)
    {
        if (address.Length > 0 && Uri.CheckHostName(address) == UriHostNameType.Unknown)
        {
            Add(path, "A host name or an IP address is allowed, or an empty text.");
        }
    }

    public void Port(string path, int port)
    {
        if (port is < 1 or > 65535)
        {
            Add(path, "1 to 65535 are allowed.");
        }
    }

    public void Labels(string path, IReadOnlyDictionary<string, string> labels)
    {
        if (labels.Count > MostLabels)
        {
            Add(path, $"There are {labels.Count:N0} labels; at most {MostLabels} are allowed.");
        }
        foreach (var (name, value) in labels.Take(MostLabels))
        {
            // As a job may ask for them
            if (!SpecLabels.NamePattern().IsMatch(name))
            {
                Add(
                    path,
                    $"{SpecText.Quote(name)} is no label; 1 to 63 letters, digits, '.', '_', '/' and '-' are allowed."
                );
            }
            if (
                value is null
                || value.Length > LongestValue
                || value.Any(c => char.IsControl(c) || char.IsSurrogate(c))
            )
            {
                Add(
                    $"{path}.{name}",
                    $"A text of at most {LongestValue} characters is allowed, none of them a control character."
                );
            }
        }
    }

    /// <param name="prefix">what stands before the parts' names, such as `credentials.`</param>
    /// <returns>null where none were given, or something is wrong with them</returns>
    public EngineCredentials? Credentials(string prefix, CredentialInput input)
    {
        if (input.IsEmpty)
        {
            return null;
        }
        if (input is not { Ca: { } ca, Certificate: { } certificate, Key: { } key })
        {
            foreach (
                var (part, value) in new[] { ("ca", input.Ca), ("certificate", input.Certificate), ("key", input.Key) }
            )
            {
                if (value is null)
                {
                    Add(prefix + part, "ca, certificate and key are allowed together, or none of them.");
                }
            }
            return null;
        }
        var credentials = new EngineCredentials(ca, certificate, key);
        var before = _errors.Count;
        _errors.AddRange(credentials.Check().Select(e => new SpecError(prefix + e.Part, e.Message)));
        return _errors.Count == before ? credentials : null;
    }

    public void Add(string path, string message) => _errors.Add(new SpecError(path, message));

    [GeneratedRegex(@"^[a-z0-9][-a-z0-9_.]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();
}
