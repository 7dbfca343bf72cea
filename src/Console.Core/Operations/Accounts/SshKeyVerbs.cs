using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Accounts;

/// <summary>The public keys of a user's profile, which open the user's environments over SSH.</summary>
public sealed class SshKeyVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    private const int Most = 20;

    public async Task<IReadOnlyList<string>> ReadAsync(Actor actor, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.Users.Where(u => u.Id == actor.UserId).Select(u => u.SshKeys).SingleOrDefaultAsync(ct) ?? [];
    }

    /// <summary>Puts these in place of all; they reach environments that run. Answers them in the form that is kept.</summary>
    public Task<Outcome<IReadOnlyList<string>>> ReplaceAsync(
        Actor actor,
        IReadOnlyList<string> lines,
        CancellationToken ct
    )
    {
        var (keys, errors) = Check(lines);
        return errors.Count > 0
            ? Task.FromResult<Outcome<IReadOnlyList<string>>>(new Outcome<IReadOnlyList<string>>.Refused(errors))
            : VerbTransaction.RunAsync<IReadOnlyList<string>>(
                databases,
                async db =>
                {
                    if (await db.Users.SingleOrDefaultAsync(u => u.Id == actor.UserId, ct) is not { } user)
                    {
                        return new Outcome<IReadOnlyList<string>>.NotFound();
                    }
                    user.SshKeys = [.. keys];
                    db.AddAudit(time.GetUtcNow(), actor.UserName, "user.ssh-keys", $"user {actor.UserName}");
                    var running = await db
                        .Workloads.Where(w =>
                            w.OwnerId == actor.UserId
                            && w.Kind == WorkloadKind.Environment
                            && w.State == WorkloadState.Running
                        )
                        .Select(w => w.Id)
                        .ToListAsync(ct);
                    running.ForEach(id => db.Tell(ChangeKind.Workload, id));
                    return new Outcome<IReadOnlyList<string>>.Done(keys);
                },
                ct
            );
    }

    private static (List<string> Keys, List<SpecError> Errors) Check(IReadOnlyList<string> lines)
    {
        var (keys, errors) = (new List<string>(), new List<SpecError>());
        if (lines.Count > Most)
        {
            errors.Add(new SpecError("keys", $"There are {lines.Count:N0} keys; at most {Most} are allowed."));
            return (keys, errors);
        }
        for (var i = 0; i < lines.Count; i++)
        {
            if (!SshKey.TryParse(lines[i] ?? "", out var key, out var error))
            {
                errors.Add(new SpecError($"keys[{i}]", error));
            }
            else if (!keys.Contains(key))
            {
                keys.Add(key);
            }
        }
        return (keys, errors);
    }
}
