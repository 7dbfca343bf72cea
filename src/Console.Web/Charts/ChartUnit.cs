namespace DeepLab.Web.Charts;

/// <summary>How a chart's values are written; `wwwroot/js/charts.js` has a formatter of each name.</summary>
public enum ChartUnit
{
    Number,
    Cores,
    Bytes,
    BytesPerSecond,
    Percent,
    Celsius,
    Watts,
}
