using DeepLab.Core.Operations;
using DeepLab.Core.Operations.History;
using DeepLab.Core.Workloads;

namespace DeepLab.Web.Components.Shared;

/// <summary>A list of workloads as an address, so that a link shows the same list.</summary>
/// <param name="State">a key of <see cref="Groups"/>, or names of states with commas between them</param>
public sealed record WorkloadListAddress(string? Search, string? State, string? Owner, string? Host)
{
    public static IReadOnlyList<(string Key, string Word, WorkloadState[] States)> Groups { get; } =
    [
        ("", "All", []),
        (
            "active",
            "Active",
            [WorkloadState.Starting, WorkloadState.Running, WorkloadState.Restarting, WorkloadState.Stopping]
        ),
        ("queued", "Queued", [WorkloadState.Queued]),
        ("succeeded", "Succeeded", [WorkloadState.Succeeded]),
        ("failed", "Failed", [WorkloadState.Failed]),
        ("stopped", "Stopped", [WorkloadState.Stopped]),
    ];

    public bool IsEverything => this == new WorkloadListAddress(null, null, null, null);

    /// <summary>All of it as one search of the history, see <see cref="SearchQuery"/>; empty where it is everything.</summary>
    public string Query
    {
        get
        {
            var parts = new List<string>();
            void Add(string name, string? value)
            {
                if (value is not null)
                {
                    parts.Add($"{name}:\"{value.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"");
                }
            }
            if (States(State) is { Length: > 0 } states)
            {
                parts.Add($"state:{string.Join(',', states.Select(s => s.ToString().ToLowerInvariant()))}");
            }
            Add("owner", Owner);
            Add("host", Host);
            if (Search is not null)
            {
                parts.Add(Search);
            }
            return string.Join(' ', parts);
        }
    }

    /// <summary>Words that name no state are left out; an address is typed by people.</summary>
    public JobFilter Filter =>
        new()
        {
            Search = Search,
            Owner = Owner,
            Host = Host,
            States = States(State),
        };

    public static WorkloadListAddress From(string? search, string? state, string? owner, string? host) =>
        new(Plain(search), Plain(state), Plain(owner), Plain(host));

    /// <param name="page">path of the list</param>
    public string ToUri(string page)
    {
        var parts = new List<string>();
        void Add(string name, string? value)
        {
            if (value is not null)
            {
                parts.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        }
        Add("q", Search);
        Add("state", State);
        Add("owner", Owner);
        Add("host", Host);
        return parts.Count == 0 ? page : $"{page}?{string.Join('&', parts)}";
    }

    private static string? Plain(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    private static WorkloadState[] States(string? text)
    {
        if (text is null)
        {
            return [];
        }
        var group = Groups.FirstOrDefault(g => g.Key.Equals(text, StringComparison.OrdinalIgnoreCase));
        return group.States
            ??
            [
                .. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                    .Select(word => (Known: Enum.TryParse<WorkloadState>(word, ignoreCase: true, out var s), State: s))
                    .Where(x => x.Known && Enum.IsDefined(x.State))
                    .Select(x => x.State)
                    .Distinct(),
            ];
    }
}
