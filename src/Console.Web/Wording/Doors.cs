using System.Globalization;

namespace DeepLab.Web.Wording;

/// <summary>Where the console opens a program of an environment, with whatever it takes to get in.</summary>
public static class Doors
{
    /// <param name="name">of the endpoint</param>
    public static string AddressOf(long workloadId, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"/open/{workloadId}/{Uri.EscapeDataString(name)}");
}
