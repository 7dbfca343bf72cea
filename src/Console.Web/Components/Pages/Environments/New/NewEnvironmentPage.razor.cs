using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Environments;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Web.Boards;
using DeepLab.Web.Drafts;
using DeepLab.Web.Wording;
using Microsoft.AspNetCore.Components;
using MudBlazor;
using Endpoint = DeepLab.Core.Workloads.Endpoint;

namespace DeepLab.Web.Components.Pages.Environments.New;

/// <summary>The wizard: its answers are one draft, which the reader of environments judges as it grows.</summary>
public sealed partial class NewEnvironmentPage
{
    private EnvironmentDraft _draft = new();
    private DraftErrors _errors = Errors([]);
    private JobSpec? _spec;
    private string? _password;
    private TypingPause? _typing;
    private int _step;

    /// <summary>Steps before this one were left at least once: what is wrong with them is shown.</summary>
    private int _seen;
    private bool _missing;

    /// <summary>The stepper knows its steps: only then can it begin at another than the first.</summary>
    private bool _drawn;
    private bool _sending;

    [SupplyParameterFromQuery]
    public long? From { get; set; }

    [SupplyParameterFromQuery]
    public string? Step { get; set; }

    [Inject]
    private EnvironmentQueries Environments { get; set; } = default!;

    [Inject]
    private SubmitJob Submit { get; set; } = default!;

    [Inject]
    private IDialogService Dialogs { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    private IReadOnlyList<HostView> Hosts =>
        [.. (Board?.Hosts ?? []).Where(h => _draft.Cluster.Length == 0 || h.Cluster == _draft.Cluster)];

    /// <summary>Of the catalogue; null for any other.</summary>
    private ImageView? Image => Board?.Images.FirstOrDefault(i => i.Name == _draft.Image);

    /// <summary>False once the page is being left: the stepper then steps back as its steps go.</summary>
    private bool IsHere => new Uri(Navigation.Uri).AbsolutePath == EnvironmentAddress.Page;

    private string NextWord =>
        _step < WizardStep.Last ? "Next"
        : _sending ? "Creating…"
        : "Create environment";

    private static DraftErrors Errors(IReadOnlyList<SpecError> all) => new(all, WizardStep.AllFields);

    protected override async Task OnInitializedAsync()
    {
        _seen = _step = WizardStep.IndexOf(Step);
        if (From is { } from)
        {
            var original = await Environments.FindAsync(await CurrentActor.GetAsync(), from, CancellationToken.None);
            _missing = original is null;
            _draft = original is null ? _draft : EnvironmentJson.FromSpec(original.Job.SpecJson);
        }
        EnvironmentAddress.Read(new Uri(Navigation.Uri).Query, _draft);
        await OpenAsync();
        await JudgeAsync();
    }

    protected override void OnParametersSet()
    {
        _step = WizardStep.IndexOf(Step);
        _seen = Math.Max(_seen, _step);
    }

    protected override void OnAfterRender(bool firstRender)
    {
        if (!_drawn)
        {
            _drawn = true;
            StateHasChanged();
        }
    }

    private Task Set(Action change)
    {
        change();
        return ChangedAsync();
    }

    private Task ChangedAsync() => JudgeAsync();

    private async Task ImportAsync()
    {
        var dialog = await Dialogs.ShowAsync<ImportDialog>(
            "Import a definition",
            new DialogOptions { MaxWidth = MaxWidth.Small, FullWidth = true }
        );
        if (await dialog.Result is { Canceled: false, Data: EnvironmentDraft imported })
        {
            _draft = imported;
            if (Board is { Loaded: true } board)
            {
                Prefill(board);
            }
            await ChangedAsync();
        }
    }

    /// <summary>A host is one of its cluster's.</summary>
    private Task ChooseClusterAsync(string cluster) => Set(() => (_draft.Cluster, _draft.Host) = (cluster, ""));

    private Task ChooseImageAsync(string image) =>
        Set(() =>
        {
            _draft.Image = image;
            Suit();
        });

    /// <summary>What the image is known to lack is not asked of it.</summary>
    private void Suit()
    {
        if (Image is { Features.Count: > 0 } image)
        {
            _draft.TensorBoard &= image.Has(Endpoint.TensorBoard);
            _draft.Ssh = (_draft.Ssh && image.Has(Endpoint.Ssh)) || !image.Has(Endpoint.Jupyter);
            _draft.Jupyter = image.Has(Endpoint.Jupyter) && (_draft.Jupyter || !_draft.Ssh);
        }
    }

    /// <summary>Reads what was answered and, once the typing has paused, asks what would happen to it.</summary>
    private Task JudgeAsync()
    {
        Read();
        _typing ??= new TypingPause(Time, TimeSpan.FromMilliseconds(300));
        return _typing.ThenAsync(async ct =>
        {
            if (Board is { Loaded: true } board)
            {
                await board.AskAsync(_spec, ct);
                Weigh();
                if (IsHere)
                {
                    Navigation.NavigateTo(Address(_step), replace: true);
                }
            }
        });
    }

    private void Read()
    {
        var reading = EnvironmentReader.Read(
            System.Text.Encoding.UTF8.GetBytes(EnvironmentJson.Write(_draft, masked: false))
        );
        (_spec, _password, _errors) = (reading.Spec, reading.Password, Errors(reading.Errors));
    }

    protected override async Task OnBoardChangedAsync()
    {
        if (Board is { Loaded: true } board && Prefill(board))
        {
            Read();
            await board.AskAsync(_spec, CancellationToken.None);
        }
        Weigh();
    }

    /// <summary>The first answers, once it is known what there is.</summary>
    private bool Prefill(PreviewBoard board)
    {
        var (cluster, image) = (_draft.Cluster, _draft.Image);
        if (cluster.Length == 0 && board.Clusters.Count > 0)
        {
            _draft.Cluster = board.Clusters[0].Name;
        }
        // Somebody's snapshot is nobody's first choice
        var suited = board.Images.Where(i => i.Has(Endpoint.Jupyter)).OrderBy(i => i.Owner is not null);
        if (image.Length == 0 && suited.FirstOrDefault() is { } first)
        {
            _draft.Image = first.Name;
            Suit();
        }
        return _spec is null && (cluster, image) != (_draft.Cluster, _draft.Image);
    }

    /// <summary>What only the database knows to be wrong stands beside the questions as well.</summary>
    private void Weigh()
    {
        if (_spec is not null && Board?.Answer is { } answer)
        {
            _errors = Errors(EnvironmentChecks.Flatten(answer.Errors));
        }
    }

    private bool IsBad(int step) =>
        WizardStep.All[step].Fields.Any(f => _errors.Of(f) is not null)
        // What belongs to no field is about the doors
        || (WizardStep.All[step].Key == "access" && _errors.Elsewhere.Any());

    private bool IsWrong(int step) => step < _seen && IsBad(step);

    /// <summary>Nobody is told of an answer that was not given yet.</summary>
    private DraftErrors Shown() => _step < _seen ? _errors : Errors([]);

    private string? Shown(string field) => Shown().Of(field);

    private string Address(int step) => EnvironmentAddress.Write(_draft, WizardStep.All[step].Key, From);

    private Task GoAsync(int step)
    {
        if (_drawn && IsHere && step != _step && step >= 0 && step <= WizardStep.Last)
        {
            _seen = Math.Max(_seen, Math.Max(step, _step + 1));
            _step = step;
            Navigation.NavigateTo(Address(step));
        }
        return Task.CompletedTask;
    }

    private async Task NextAsync()
    {
        if (_step == WizardStep.Last)
        {
            await CreateAsync();
        }
        else if (IsBad(_step))
        {
            _seen = Math.Max(_seen, _step + 1);
        }
        else
        {
            await GoAsync(_step + 1);
        }
    }

    private async Task CreateAsync()
    {
        if (_spec is not { } spec || _sending)
        {
            return;
        }
        _sending = true;
        try
        {
            switch (await Submit.RunAsync(await CurrentActor.GetAsync(), spec, null, CancellationToken.None, _password))
            {
                case Outcome<Submitted>.Done done:
                    Navigation.NavigateTo($"/environments/{done.Value.Id}");
                    break;
                case Outcome<Submitted>.Refused refused:
                    _errors = Errors(EnvironmentChecks.Flatten(refused.Errors));
                    break;
                case Outcome<Submitted>.Conflict conflict:
                    _errors = Errors([new SpecError("", conflict.Message)]);
                    break;
            }
        }
        finally
        {
            _sending = false;
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (_typing is { } typing)
        {
            await typing.CancelAsync();
        }
        await base.DisposeAsync();
    }
}
