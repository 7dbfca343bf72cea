using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;
using MudBlazor;

namespace DeepLab.Web.Components.Pages.Tokens;

public sealed partial class TokensPage
{
    private static readonly (int Days, string Word)[] s_lifetimes =
    [
        (1, "1 day"),
        (7, "7 days"),
        (30, "30 days"),
        (90, "90 days"),
        (366, "1 year"),
    ];
    private static readonly (string Scope, string Word)[] s_scopes =
    [
        (Scopes.JobsRead, "see jobs, logs and curves"),
        (Scopes.JobsWrite, "submit, stop and delete jobs"),
        (Scopes.ClustersRead, "see hosts, GPUs and images"),
        (Scopes.Admin, "act as an administrator: everyone's jobs"),
    ];
    private readonly HashSet<string> _scopes = [Scopes.JobsRead, Scopes.JobsWrite, Scopes.ClustersRead];
    private IReadOnlyList<TokenView> _tokens = [];
    private IReadOnlyList<SpecError> _errors = [];
    private NewToken? _made;
    private Actor? _actor;
    private string _name = "";
    private int _days = 30;

    [Inject]
    private TokenVerbs Tokens { get; set; } = default!;

    [Inject]
    private CurrentActor CurrentActor { get; set; } = default!;

    [Inject]
    private Viewer Viewer { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    private IEnumerable<(string Scope, string Word)> Offered =>
        s_scopes.Where(s => s.Scope != Scopes.Admin || _actor is { IsAdmin: true });

    protected override async Task OnInitializedAsync()
    {
        _actor = await CurrentActor.GetAsync();
        await LoadAsync();
    }

    private async Task LoadAsync() => _tokens = await Tokens.ListAsync(_actor!, CancellationToken.None);

    private void Turn(string scope, bool on) => _ = on ? _scopes.Add(scope) : _scopes.Remove(scope);

    private async Task MakeAsync()
    {
        var outcome = await Tokens.CreateAsync(
            _actor!,
            _name.Trim(),
            [.. Scopes.All.Where(_scopes.Contains)],
            TimeSpan.FromDays(_days),
            CancellationToken.None
        );
        _errors = outcome is Outcome<NewToken>.Refused refused ? refused.Errors : [];
        if (outcome is Outcome<NewToken>.Done done)
        {
            (_made, _name) = (done.Value, "");
            await LoadAsync();
        }
    }

    private async Task RevokeAsync(TokenView token)
    {
        var sure = await Dialogs.ShowMessageBoxAsync(
            $"Revoke {token.Name}?",
            "Whatever uses it is refused from now on. This cannot be undone.",
            "Revoke it",
            cancelText: "Keep it"
        );
        if (sure == true)
        {
            await Tokens.RevokeAsync(_actor!, token.Id, CancellationToken.None);
            _made = _made?.Token.Id == token.Id ? null : _made;
            await LoadAsync();
        }
    }

    private bool IsLive(TokenView token) => token.RevokedAt is null && token.ExpiresAt > Viewer.Now;

    private string? Error(string path) => _errors.Where(e => e.Path == path).Select(e => e.Message).FirstOrDefault();
}
