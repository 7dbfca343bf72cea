using DeepLab.Core.Operations.Data;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <summary>What only the database can say of an environment.</summary>
public static class EnvironmentChecks
{
    private const string ResourcePath = "roles[0].resources.";

    internal static async Task<IReadOnlyList<SpecError>> RunAsync(
        ConsoleDb db,
        Actor actor,
        string image,
        CatalogueImage? entry,
        EnvironmentSpec environment,
        Guid? clusterId,
        CancellationToken ct
    )
    {
        var errors = new List<SpecError>();
        if (
            environment.Home is { } home
            && clusterId is { } cluster
            && await KeptHomes.FindAsync(db, actor, home, cluster, ct) is { Home: null, Refused: var refused }
        )
        {
            errors.Add(new SpecError("home", refused));
        }
        if (environment.IsBoard && await OpenTensorBoard.WhyNotAsync(db, actor, environment, ct) is { } unseen)
        {
            errors.Add(new SpecError("environment.jobs", unseen));
        }
        if (
            environment is { Ssh: true, SshKeys.IsEmpty: true }
            && !await db.Users.AnyAsync(u => u.Id == actor.UserId && u.SshKeys.Length > 0, ct)
        )
        {
            errors.Add(
                new SpecError(
                    "ssh",
                    "SSH is on and there is no key that could sign in: put one into your profile (PUT /api/v1/me/ssh-keys) or into ssh.keys."
                )
            );
        }
        if (
            environment.TensorBoard
            && entry is { Features.Length: > 0 }
            && !entry.Features.Contains(Endpoint.TensorBoard)
        )
        {
            errors.Add(
                new SpecError(
                    "tensorboard",
                    $"The image {image} has no TensorBoard; leave it out, or choose an image that has one. The console draws the curves of event files by itself."
                )
            );
        }
        return errors;
    }

    /// <summary>
    /// Why one that has ended cannot be started again, as a sentence: what the actor could see when it was made may be another's by
    /// now, or gone. Null where it can.
    /// </summary>
    internal static async Task<string?> WhyNotAgainAsync(ConsoleDb db, Actor actor, JobSpec spec, CancellationToken ct)
    {
        if (spec.Environment is { IsBoard: true } board)
        {
            return await OpenTensorBoard.WhyNotAsync(db, actor, board, ct);
        }
        var (now, gone) = await DatasetReader.ResolveAsync(db, actor, spec, ct);
        var lacking = gone.Count > 0 ? gone : await VolumeReader.CheckAsync(db, actor, spec, ct);
        if (lacking.Count > 0)
        {
            return $"It cannot mount what it was made with. {lacking[0].Message}";
        }
        return now.Datasets.Except(spec.Datasets).FirstOrDefault() is { } other
            ? $"Its dataset {other.InWords()} is another now than when it was made; make a new environment with it."
            : null;
    }

    /// <summary>A flat definition has no roles: its resources stand at the top.</summary>
    public static IReadOnlyList<SpecError> Flatten(IReadOnlyList<SpecError> errors) =>
        [
            .. errors.Select(e =>
                e.Path.StartsWith(ResourcePath, StringComparison.Ordinal)
                    ? e with
                    {
                        Path = e.Path[ResourcePath.Length..],
                    }
                    : e
            ),
        ];
}
