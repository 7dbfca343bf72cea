using DeepLab.Core.Operations;
using Endpoint = DeepLab.Core.Workloads.Endpoint;

namespace DeepLab.Web.Wording;

/// <summary>What an image of the catalogue is good for.</summary>
public static class ImageWords
{
    private static readonly (string Feature, string Word)[] s_doors =
    [
        (Endpoint.Jupyter, "Jupyter"),
        (Endpoint.Ssh, "SSH"),
        (Endpoint.TensorBoard, "TensorBoard"),
    ];

    public static bool Has(this ImageView image, string feature) => image.Features.Contains(feature);

    /// <summary>Each way into an environment, and whether the image has it.</summary>
    public static IEnumerable<(string Word, bool Has)> Doors(this ImageView image) =>
        s_doors.Select(d => (d.Word, image.Has(d.Feature)));

    /// <summary>Whether anything can open an environment of it; one of which nothing is known may.</summary>
    public static bool MakesEnvironments(this ImageView image) =>
        image.Features.Count == 0 || image.Has(Endpoint.Jupyter) || image.Has(Endpoint.Ssh);

    /// <summary>As it stands on a button: `Jupyter`, `TensorBoard`, a port's own name.</summary>
    public static string DoorWord(string name) =>
        name switch
        {
            Endpoint.Jupyter => "Jupyter",
            Endpoint.TensorBoard => "TensorBoard",
            _ => name,
        };
}
