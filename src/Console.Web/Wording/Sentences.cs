namespace DeepLab.Web.Wording;

public static class Sentences
{
    /// <summary>Messages of the core begin small, since they often follow a name.</summary>
    public static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>With a full stop, unless it ends by itself.</summary>
    public static string Ended(string text) => text.Length == 0 || text[^1] is '.' or '!' or '?' ? text : $"{text}.";
}
