using DeepLab.Core.Operations.Compare;

namespace DeepLab.Web.Components.Pages.Jobs;

public sealed partial class JobList
{
    /// <summary>Pixels; the same as in JobList.razor.css and JobRowLine.razor.css.</summary>
    private const int WideRow = 52;
    private const int NarrowRow = 86;

    /// <summary>Jobs to compare, in the order in which they were chosen; they stay when the filter leaves them out.</summary>
    private readonly List<long> _chosen = [];

    private void Choose(long id, bool on)
    {
        _chosen.Remove(id);
        if (on && _chosen.Count < RunChoice.Most)
        {
            _chosen.Add(id);
        }
    }
}
