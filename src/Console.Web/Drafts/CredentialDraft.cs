using DeepLab.Core.Operations.Fleet;

namespace DeepLab.Web.Drafts;

/// <summary>PEM texts on their way in. They are never shown again, here or anywhere.</summary>
public sealed class CredentialDraft
{
    public string Ca { private get; set; } = "";
    public string Certificate { private get; set; } = "";
    public string Key { private get; set; } = "";

    public void Clear() => (Ca, Certificate, Key) = ("", "", "");

    public CredentialInput Read() => new(Given(Ca), Given(Certificate), Given(Key));

    private static string? Given(string text) => string.IsNullOrWhiteSpace(text) ? null : text;
}
