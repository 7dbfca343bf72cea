namespace DeepLab.Web.Components.Pages.Hosts;

/// <summary>How an admin wants a host drained.</summary>
/// <param name="Deadline">from now on; null = what runs may finish</param>
internal sealed record DrainAnswer(TimeSpan? Deadline);
