using DeepLab.Core.Operations.Compare;
using DeepLab.Core.Workloads;
using DeepLab.Web.Boards;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Pages.Jobs.Compare;

/// <summary>Runs side by side; which, and by what the best is told, stands in the address.</summary>
public sealed partial class ComparePage
{
    private IReadOnlyList<long> _ids = [];
    private IReadOnlyList<SpecError> _errors = [];
    private string? _opened;
    private CurveAxis _axis = CurveAxis.Step;
    private bool _logarithmic;
    private double _smoothing;

    [SupplyParameterFromQuery]
    public string? Ids { get; set; }

    [SupplyParameterFromQuery]
    public string? Metric { get; set; }

    /// <summary>`least` or `greatest`; guessed from the metric's name where absent.</summary>
    [SupplyParameterFromQuery]
    public string? Best { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private Comparison? Shown => Board?.Comparison is { Missing.Count: 0 } compared ? compared : null;

    /// <summary>The metric by which the best is told; null where the runs share none.</summary>
    private MetricLine? Chosen =>
        Shown?.Metrics.FirstOrDefault(m => m.Name == Metric) ?? Shown?.Metrics.FirstOrDefault();

    private BestBy By => BestWay.Of(Best, Chosen?.Name ?? "");

    protected override Task OnParametersSetAsync()
    {
        (_ids, _errors) = RunChoice.Read(Ids);
        var wanted = string.Join(',', _ids);
        if (_errors.Count > 0 || (_opened == wanted && Board?.Draws(Metric) != false))
        {
            return Task.CompletedTask;
        }
        _opened = wanted;
        return OpenAsync(_ids, _axis, Metric ?? "");
    }

    private Task TurnAsync(CurveAxis axis)
    {
        _axis = axis;
        return OpenAsync(_ids, _axis, Metric ?? "");
    }

    private void Go(string? metric, BestBy? by)
    {
        var uri = $"/jobs/compare?ids={string.Join(',', _ids)}";
        if ((metric ?? Chosen?.Name) is { } name)
        {
            uri += $"&metric={Uri.EscapeDataString(name)}";
        }
        if (by is { } way)
        {
            uri += way == BestBy.Least ? "&best=least" : "&best=greatest";
        }
        Navigation.NavigateTo(uri, replace: true);
    }
}
