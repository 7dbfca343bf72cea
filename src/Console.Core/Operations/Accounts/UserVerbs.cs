using System.Security.Cryptography;
using System.Text.RegularExpressions;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Accounts;

public sealed record UserView(string UserName, UserRole Role, bool Disabled, Quota Quota, DateTimeOffset CreatedAt);

public sealed partial class UserVerbs(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public async Task<User?> FindByNameAsync(string userName, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.UserName == userName, ct);
    }

    public async Task<User?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        return await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, ct);
    }

    /// <summary>Makes the first admin where there is no user at all; answers false, and changes nothing, where there is one.</summary>
    public async Task<bool> CreateFirstAdminAsync(string userName, string passwordHash, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        // One statement: two consoles that start at once make one admin
        return await db.Database.ExecuteSqlAsync(
                $"""
                insert into users (id, user_name, password_hash, role, security_stamp, disabled, created_at)
                select {Guid.CreateVersion7()}, {userName}, {passwordHash}, 'Admin', {NewStamp()}, false, {time.GetUtcNow()}
                where not exists (select 1 from users)
                on conflict do nothing
                """,
                ct
            ) == 1;
    }

    /// <summary>Makes a user with this password's hash.</summary>
    public Task<Outcome<string>> CreateAsync(
        Actor actor,
        string userName,
        string passwordHash,
        UserRole role,
        Quota quota,
        CancellationToken ct
    )
    {
        var errors = QuotaChecks.Run(quota).ToList();
        if (!UserNamePattern().IsMatch(userName))
        {
            errors.Insert(
                0,
                new SpecError(
                    "userName",
                    "1 to 63 small letters, digits, '-', '_' and '.' are allowed, beginning with a letter."
                )
            );
        }
        if (errors.Count > 0)
        {
            return Task.FromResult<Outcome<string>>(new Outcome<string>.Refused(errors));
        }
        return VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                if (await db.Users.AnyAsync(u => u.UserName == userName, ct))
                {
                    return new Outcome<string>.Conflict($"There is a user \"{userName}\" already.");
                }
                var now = time.GetUtcNow();
                db.Users.Add(
                    new User
                    {
                        Id = Guid.CreateVersion7(now),
                        UserName = userName,
                        PasswordHash = passwordHash,
                        Role = role,
                        SecurityStamp = NewStamp(),
                        Quota = quota,
                        CreatedAt = now,
                    }
                );
                Tell(db, actor, "user.create", userName, now);
                return new Outcome<string>.Done(userName);
            },
            ct
        );
    }

    /// <summary>Null = as it is. What takes power away changes the stamp: sessions end.</summary>
    public Task<Outcome<string>> ChangeAsync(
        Actor actor,
        string userName,
        UserRole? role,
        bool? disabled,
        Quota? quota,
        CancellationToken ct
    )
    {
        var errors = QuotaChecks.Run(quota).ToList();
        if (errors.Count > 0)
        {
            return Task.FromResult<Outcome<string>>(new Outcome<string>.Refused(errors));
        }
        return VerbTransaction.RunAsync<string>(
            databases,
            async db =>
            {
                // All admins' rows, in one order: two who demote each other at once cannot both succeed
                var admins = await db
                    .Users.FromSql(
                        $"select * from users where user_name = {userName} or role = 'Admin' order by id for update"
                    )
                    .ToListAsync(ct);
                if (admins.SingleOrDefault(u => u.UserName == userName) is not { } user)
                {
                    return new Outcome<string>.NotFound();
                }
                var remains = (role ?? user.Role) == UserRole.Admin && !(disabled ?? user.Disabled);
                if (!remains && !admins.Any(a => a != user && a is { Role: UserRole.Admin, Disabled: false }))
                {
                    return new Outcome<string>.Conflict(
                        $"{userName} is the last admin who can sign in; make another one first."
                    );
                }
                if ((role is { } r && r != user.Role) || (disabled is { } d && d != user.Disabled))
                {
                    user.SecurityStamp = NewStamp();
                }
                user.Role = role ?? user.Role;
                user.Disabled = disabled ?? user.Disabled;
                user.Quota = quota ?? user.Quota;
                Tell(db, actor, "user.change", userName, time.GetUtcNow());
                return new Outcome<string>.Done(userName);
            },
            ct
        );
    }

    public async Task<IReadOnlyList<UserView>> ListAsync(CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var users = await db.Users.AsNoTracking().OrderBy(u => u.UserName).ToListAsync(ct);
        return [.. users.Select(u => new UserView(u.UserName, u.Role, u.Disabled, u.Quota, u.CreatedAt))];
    }

    private static void Tell(ConsoleDb db, Actor actor, string action, string userName, DateTimeOffset now)
    {
        db.AddAudit(now, actor.UserName, action, $"user {userName}");
        db.Tell(ChangeKind.Account);
        db.Tell(ChangeKind.Queue);
    }

    [GeneratedRegex(@"^[a-z][a-z0-9._-]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex UserNamePattern();

    /// <summary>Changes the stamp too: other sessions end.</summary>
    public async Task ChangePasswordAsync(Guid userId, string passwordHash, CancellationToken ct)
    {
        await using var db = await databases.CreateDbContextAsync(ct);
        var stamp = NewStamp();
        await db
            .Users.Where(u => u.Id == userId)
            .ExecuteUpdateAsync(
                s => s.SetProperty(u => u.PasswordHash, passwordHash).SetProperty(u => u.SecurityStamp, stamp),
                ct
            );
    }

    private static string NewStamp() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
