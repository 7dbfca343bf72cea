using DeepLab.Core.Operations;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Shared;

public sealed record AttemptChoice(string Replica, AttemptView Attempt);

public sealed partial class AttemptTab
{
    [Parameter, EditorRequired]
    public required JobDetail Job { get; set; }

    [Parameter, EditorRequired]
    public required string Tab { get; set; }

    /// <summary>Null = the first that has an attempt.</summary>
    [Parameter]
    public string? Replica { get; set; }

    /// <summary>Null = the newest.</summary>
    [Parameter]
    public int? Attempt { get; set; }

    /// <summary>What to say while there is no attempt.</summary>
    [Parameter, EditorRequired]
    public required string Waiting { get; set; }

    [Parameter, EditorRequired]
    public required RenderFragment<AttemptChoice> ChildContent { get; set; }

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    private (ReplicaView View, AttemptView Attempt)? Chosen
    {
        get
        {
            var tried = Job.Replicas.Where(r => r.Attempts.Count > 0).ToArray();
            var replica = tried.FirstOrDefault(r => r.Name == Replica) ?? tried.FirstOrDefault();
            return replica is null
                ? null
                : (replica, replica.Attempts.FirstOrDefault(a => a.Number == Attempt) ?? replica.Attempts[^1]);
        }
    }

    private void Go(string replica, int? attempt) =>
        Navigation.NavigateTo(
            Navigation.GetUriWithQueryParameters(
                new Dictionary<string, object?>
                {
                    ["tab"] = Tab,
                    ["replica"] = replica,
                    ["attempt"] = attempt,
                }
            ),
            replace: true
        );
}
