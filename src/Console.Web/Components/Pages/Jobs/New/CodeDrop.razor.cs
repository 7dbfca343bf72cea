using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Workloads;
using DeepLab.Web.Session;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Forms;

namespace DeepLab.Web.Components.Pages.Jobs.New;

/// <summary>Takes a tar.gz, dropped or chosen, and keeps it by its digest.</summary>
public sealed partial class CodeDrop : IDisposable
{
    private readonly CancellationTokenSource _gone = new();
    private IReadOnlyList<SpecError> _errors = [];
    private CodeArchive? _kept;
    private string? _name;
    private bool _busy;

    [Parameter, EditorRequired]
    public required string Digest { get; set; }

    [Parameter]
    public EventCallback<string> OnUploaded { get; set; }

    [Inject]
    private UploadCode Upload { get; set; } = default!;

    [Inject]
    private CurrentActor CurrentActor { get; set; } = default!;

    private async Task UploadAsync(InputFileChangeEventArgs e)
    {
        (_busy, _errors, _name) = (true, [], e.File.Name);
        try
        {
            if (e.File.Size > CodeLimits.Default.CompressedBytes)
            {
                _errors = [new SpecError("", $"It is over {CodeLimits.Default.CompressedBytes >> 20} MiB.")];
                return;
            }
            await using var body = e.File.OpenReadStream(CodeLimits.Default.CompressedBytes, _gone.Token);
            var outcome = await Upload.RunAsync(await CurrentActor.GetAsync(), body, _gone.Token);
            if (outcome is Outcome<CodeArchive>.Done done)
            {
                _kept = done.Value;
                await OnUploaded.InvokeAsync(done.Value.Digest);
            }
            else if (outcome is Outcome<CodeArchive>.Refused refused)
            {
                _errors = refused.Errors;
            }
        }
        catch (OperationCanceledException) when (_gone.IsCancellationRequested)
        {
            // The page was left
        }
        catch (IOException)
        {
            _errors = [new SpecError("", "The upload broke off; try it again.")];
        }
        finally
        {
            _busy = false;
        }
    }

    public void Dispose()
    {
        _gone.Cancel();
        _gone.Dispose();
    }
}
