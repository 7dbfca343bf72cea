using DeepLab.Core.Feeds;
using DeepLab.Core.Operations.Jobs;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Environments;

/// <summary>
/// Gives an environment's Jupyter another password of its user's own, or none. It reaches one that runs within seconds, and
/// its kernels live on; who signed in with the one of before signs in again.
/// </summary>
public sealed class JupyterPassword(IDbContextFactory<ConsoleDb> databases, SecretBox box, TimeProvider time)
{
    /// <param name="password">null = none: the console signs its user in by itself</param>
    public async Task<Outcome<long>> ChangeAsync(Actor actor, long id, string? password, CancellationToken ct)
    {
        if (password is not null && EnvironmentReader.WhyNoPassword(password) is { } why)
        {
            return new Outcome<long>.Refused([new SpecError("password", why)]);
        }
        return await Verb.OnWorkloadAsync(
            databases,
            actor,
            id,
            (db, w) =>
            {
                if (StoredSpec.Read(w.SpecJson).Environment is not { Jupyter: true })
                {
                    return $"Environment {id} has no Jupyter, and so no password for one.";
                }
                var kept = db.Secrets.SingleOrDefault(s =>
                    s.WorkloadId == id && s.Name == WorkloadSecret.JupyterPassword
                );
                if (password is null)
                {
                    db.Secrets.RemoveRange(kept is null ? [] : [kept]);
                }
                else
                {
                    var made = EnvironmentSecrets.Password(box, id, password);
                    if (kept is null)
                    {
                        db.Secrets.Add(made);
                    }
                    else
                    {
                        kept.Sealed = made.Sealed;
                    }
                }
                var now = time.GetUtcNow();
                var what = password is null ? "took Jupyter's password away" : "changed Jupyter's password";
                db.AddEvent(w, now, actor.UserName, "password-changed", Reason.None, what);
                db.AddAudit(now, actor.UserName, "environment.password", $"environment {id}");
                // Wakes its driver
                db.Tell(ChangeKind.Workload, id);
                return null;
            },
            ct,
            WorkloadKind.Environment
        );
    }
}
