namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobList
{
    /// <summary>Pixels; the same as in JobList.razor.css and JobRowLine.razor.css.</summary>
    private const int WideRow = 52;
    private const int NarrowRow = 86;
}
