using DeepLab.Core.Clusters;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Core.Operations.Fleet;

/// <summary>Finish what runs, take nothing new; at the deadline what still runs is stopped and queued again.</summary>
public sealed class DrainHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(30);

    /// <param name="deadline">from now on; null = it waits for the end</param>
    public Task<Outcome<string>> RunAsync(Actor actor, string name, TimeSpan? deadline, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.drain",
            (_, host, now, _) =>
            {
                if (deadline is { } d && (d < TimeSpan.Zero || d > s_longest))
                {
                    return Is.Refused("deadline", "00:00:00 to 30.00:00:00 are allowed.");
                }
                if (host.Wish == HostWish.Fenced)
                {
                    return Is.Conflict($"{name} is fenced; activate it first.");
                }
                host.Wish = HostWish.Draining;
                host.DrainDeadline = now + deadline;
                host.SettleAs($"drained by {actor.UserName}");
                return Is.Done;
            },
            ct
        );
}

/// <summary>Takes work again. A fenced host is checked first: what it still runs is stopped before its GPUs are leased.</summary>
public sealed class ActivateHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.activate",
            (_, host, _, _) =>
            {
                if (host.Labels.TryGetValue(SwarmLabels.Availability, out var told) && told != SwarmLabels.Active)
                {
                    return Is.Conflict(
                        $"The Swarm says \"{told}\" of {name}: docker node update --availability active {name}"
                    );
                }
                if (host.Wish == HostWish.Fenced)
                {
                    host.Preflight = null;
                }
                host.Wish = HostWish.Active;
                host.DrainDeadline = null;
                host.SettleAs("");
                return Is.Done;
            },
            ct
        );
}

/// <summary>Takes nothing new until it is activated; what runs goes on.</summary>
public sealed class DisableHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.disable",
            (_, host, _, _) =>
            {
                if (host.Wish == HostWish.Fenced)
                {
                    return Is.Conflict($"{name} is fenced, which is more; activate it first.");
                }
                host.Wish = HostWish.Disabled;
                host.DrainDeadline = null;
                host.SettleAs($"disabled by {actor.UserName}");
                return Is.Done;
            },
            ct
        );
}

/// <summary>Asks for another preflight; the last report stands until it is there.</summary>
public sealed class CheckHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.check",
            (_, host, _, _) =>
            {
                // None yet: the first one is on its way
                host.Preflight = host.Preflight is { } last ? last with { Again = true } : null;
                return Is.Done;
            },
            ct
        );
}

/// <summary>
/// The operator says that a host is dead: the loop gives up what ran there and frees its GPUs, unseen. Only where it does
/// not answer: of one that does, the containers can be looked at.
/// </summary>
public sealed class FenceHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.fence",
            (_, host, _, _) =>
            {
                if (host.UnreachableSince is null)
                {
                    return Is.Conflict(
                        $"{name} answers; only a host that does not can be fenced. Drain or disable it instead."
                    );
                }
                host.Wish = HostWish.Fenced;
                host.DrainDeadline = null;
                host.SettleAs($"fenced by {actor.UserName}");
                return Is.Done;
            },
            ct
        );
}

/// <summary>Takes a host out, with its GPUs. Only where nothing runs or holds there.</summary>
public sealed class RemoveHost(IDbContextFactory<ConsoleDb> databases, TimeProvider time)
{
    public Task<Outcome<string>> RunAsync(Actor actor, string name, CancellationToken ct) =>
        HostChange.RunAsync(
            databases,
            time,
            actor,
            name,
            "host.remove",
            async (db, host, _, token) =>
            {
                if (host.NodeId is not null && host.Wish is HostWish.Active or HostWish.Draining)
                {
                    return new Outcome<string>.Conflict(
                        $"{name} is a node of a Swarm: take it out there (docker node rm), and it goes by itself."
                    );
                }
                if (await HostRows.WhatHoldsAsync(db, host.Id, token) is { } what)
                {
                    return new Outcome<string>.Conflict($"{name} is not empty: {what}.");
                }
                await HostRows.RemoveAsync(db, host, token);
                return null;
            },
            ct,
            alone: true
        );
}

/// <summary>Answers of a change of a host.</summary>
file static class Is
{
    public static Task<Outcome<string>?> Done { get; } = Task.FromResult<Outcome<string>?>(null);

    public static Task<Outcome<string>?> Conflict(string message) =>
        Task.FromResult<Outcome<string>?>(new Outcome<string>.Conflict(message));

    public static Task<Outcome<string>?> Refused(string path, string message) =>
        Task.FromResult<Outcome<string>?>(new Outcome<string>.Refused([new SpecError(path, message)]));
}
