using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Images;

/// <param name="TokenHost">host, with its port, where the registry sends for tokens, if that is not itself</param>
/// <param name="PlainHttp">it has no TLS; engines must be told so too</param>
public sealed record RegistryInput(string UserName, string Password, string? TokenHost = null, bool PlainHttp = false)
{
    /// <summary>A record would print its members, and the password with them.</summary>
    public override string ToString() => "registry login";
}

/// <summary>The password is never told.</summary>
public sealed record RegistryView(
    string Registry,
    string UserName,
    string? TokenHost,
    bool PlainHttp,
    DateTimeOffset CreatedAt
);

/// <summary>What opens registries, for pulls of all hosts. For admins only: the doors check that.</summary>
public sealed class RegistryVerbs(IDbContextFactory<ConsoleDb> databases, SecretBox box, TimeProvider time)
{
    private const int LongestText = 255;
    private const int LongestPassword = 4096;

    public async Task<IReadOnlyList<RegistryView>> ListAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db
            .RegistryLogins.AsNoTracking()
            .OrderBy(l => l.Registry)
            .Select(l => new RegistryView(l.Registry, l.UserName, l.TokenHost, l.PlainHttp, l.CreatedAt))
            .ToListAsync(ct);
    }

    /// <summary>Enters what opens a registry, in place of what did before.</summary>
    public Task<Outcome<string>> PutAsync(Actor actor, string registry, RegistryInput wanted, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (Check(registry, wanted) is { Count: > 0 } errors)
                {
                    return new Outcome<string>.Refused(errors);
                }
                var name = registry.ToLowerInvariant();
                var now = time.GetUtcNow();
                await db.RegistryLogins.Where(l => l.Registry == name).ExecuteDeleteAsync(ct);
                db.RegistryLogins.Add(
                    new RegistryLogin
                    {
                        Registry = name,
                        UserName = wanted.UserName,
                        SealedPassword = box.Seal(RegistryLogin.Purpose(name), wanted.Password),
                        TokenHost = wanted.TokenHost?.ToLowerInvariant(),
                        PlainHttp = wanted.PlainHttp,
                        CreatedAt = now,
                    }
                );
                db.AddAudit(now, actor.UserName, "registry.put", $"registry {name}");
                return new Outcome<string>.Done(name);
            },
            ct
        );

    public Task<Outcome<string>> RemoveAsync(Actor actor, string registry, CancellationToken ct) =>
        VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                var name = registry.ToLowerInvariant();
                if (await db.RegistryLogins.Where(l => l.Registry == name).ExecuteDeleteAsync(ct) == 0)
                {
                    return new Outcome<string>.NotFound();
                }
                db.AddAudit(time.GetUtcNow(), actor.UserName, "registry.remove", $"registry {name}");
                return new Outcome<string>.Done(name);
            },
            ct
        );

    private static List<SpecError> Check(string registry, RegistryInput wanted)
    {
        var errors = new List<SpecError>();
        if (!IsRegistry(registry))
        {
            errors.Add(
                new SpecError(
                    "registry",
                    "A host, with its port where references name one, is allowed, such as \"registry.example.org:5000\" or \"docker.io\"."
                )
            );
        }
        if (wanted.TokenHost is { } tokens && !IsRegistry(tokens))
        {
            errors.Add(new SpecError("tokenHost", "A host, with its port where it has one, is allowed."));
        }
        if (
            wanted.UserName is not { Length: > 0 and <= LongestText } user
            || user.Any(c => char.IsControl(c) || c == ':')
        )
        {
            errors.Add(
                new SpecError(
                    "userName",
                    $"1 to {LongestText} characters are allowed, no ':' and no control characters."
                )
            );
        }
        if (wanted.Password is not { Length: > 0 and <= LongestPassword } password || password.Any(char.IsControl))
        {
            errors.Add(
                new SpecError("password", $"1 to {LongestPassword:N0} characters are allowed, no control characters.")
            );
        }
        return errors;
    }

    /// <summary>As the first part of a reference, where the same addresses are refused.</summary>
    private static bool IsRegistry(string? text) =>
        text is { Length: <= LongestText }
        && ImageReference.TryParse($"{text}/x", out var parsed, out _)
        && parsed.Registry == text;
}
