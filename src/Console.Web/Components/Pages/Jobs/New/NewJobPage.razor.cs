using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Web.Boards;
using DeepLab.Web.Drafts;
using Microsoft.AspNetCore.Components;

namespace DeepLab.Web.Components.Pages.Jobs.New;

/// <summary>The form and its JSON: whichever is changed, the other follows, and the reader of specs judges the JSON.</summary>
public sealed partial class NewJobPage
{
    private JobDraft _draft = Starter();
    private string _json = "";
    private JobSpec? _spec;
    private DraftErrors _errors = new([]);
    private TypingPause? _typing;
    private bool _missing;
    private bool _sending;

    [SupplyParameterFromQuery]
    public long? From { get; set; }

    /// <summary>The environment whose image, volumes and resources the job is to have.</summary>
    [SupplyParameterFromQuery]
    public long? Environment { get; set; }

    /// <summary>The image, whatever the others say.</summary>
    [SupplyParameterFromQuery]
    public string? Image { get; set; }

    [Inject]
    private JobQueries Jobs { get; set; } = default!;

    [Inject]
    private SubmitJob Submit { get; set; } = default!;

    [Inject]
    private NavigationManager Navigation { get; set; } = default!;

    [Inject]
    private TimeProvider Time { get; set; } = default!;

    protected override async Task OnInitializedAsync()
    {
        if ((From ?? Environment) is { } from)
        {
            var job = await Jobs.FindAsync(await CurrentActor.GetAsync(), from, CancellationToken.None);
            _missing = job is null;
            _draft = job is null ? _draft : DraftJson.Read(job.SpecJson) ?? _draft;
            if (Environment is not null && job is not null)
            {
                _draft.OfEnvironment();
            }
        }
        _draft.Image = Image ?? _draft.Image;
        _json = DraftJson.Write(_draft);
        await OpenAsync();
        await JudgeAsync();
    }

    private static JobDraft Starter() =>
        new()
        {
            Name = "first-job",
            Image = "pytorch-cpu",
            Script = "#!/usr/bin/env python3\nimport os\n\nprint(\"hello from\", os.environ[\"DEEPLAB_REPLICA\"])\n",
        };

    private Task FormChangedAsync()
    {
        _json = DraftJson.Write(_draft);
        return JudgeAsync();
    }

    private Task JsonChangedAsync(string json)
    {
        _json = json;
        _draft = DraftJson.Read(json) ?? _draft;
        return JudgeAsync();
    }

    /// <summary>Reads what is written and, once the typing has paused, asks what would happen to it.</summary>
    private async Task JudgeAsync()
    {
        var reading = SpecReader.Read(_json);
        (_spec, _errors) = (reading.Spec, new DraftErrors(reading.Errors));
        _typing ??= new TypingPause(Time, TimeSpan.FromMilliseconds(300));
        await _typing.ThenAsync(async ct =>
        {
            if (Board is { } board)
            {
                await board.AskAsync(_spec, ct);
                Weigh();
            }
        });
    }

    protected override Task OnBoardChangedAsync()
    {
        Weigh();
        return Task.CompletedTask;
    }

    /// <summary>What only the database knows to be wrong stands beside the fields as well.</summary>
    private void Weigh()
    {
        if (_spec is not null && Board?.Answer is { } answer)
        {
            _errors = new DraftErrors(answer.Errors);
        }
    }

    private async Task SubmitAsync()
    {
        if (_spec is not { } spec || _sending)
        {
            return;
        }
        _sending = true;
        try
        {
            var origin = From is { } from && !_missing ? new Origin(from) : null;
            switch (
                await Submit.RunAsync(await CurrentActor.GetAsync(), spec, null, CancellationToken.None, origin: origin)
            )
            {
                case Outcome<Submitted>.Done done:
                    Navigation.NavigateTo($"/jobs/{done.Value.Id}");
                    break;
                case Outcome<Submitted>.Refused refused:
                    _errors = new DraftErrors(refused.Errors);
                    break;
                case Outcome<Submitted>.Conflict conflict:
                    _errors = new DraftErrors([new SpecError("", conflict.Message)]);
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
