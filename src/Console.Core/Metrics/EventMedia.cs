namespace DeepLab.Core.Metrics;

public enum MediaKind
{
    /// <summary>How values were spread at a step, see <see cref="EventHistogram"/>.</summary>
    Histogram = 1,

    /// <summary>PNG, JPEG or GIF.</summary>
    Image = 2,

    /// <summary>UTF-8; Markdown as the program wrote it, shown as it stands.</summary>
    Text = 3,

    /// <summary>The run's hyper-parameters: a JSON object of numbers, texts and truth values. Of step 0.</summary>
    Parameters = 4,
}

/// <summary>What an event file holds beside scalars.</summary>
/// <param name="WallTime">seconds since 1970, as the program gave it</param>
public sealed record EventMedia(MediaKind Kind, string Tag, long Step, double WallTime, byte[] Data);
