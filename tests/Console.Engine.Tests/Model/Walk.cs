using System.Globalization;
using DeepLab.Core.Workloads;
using DeepLab.Engine.Tests.Faults;
using Npgsql;

namespace DeepLab.Engine.Tests.Model;

/// <summary>What must hold did not.</summary>
internal sealed class BrokenLawException(string message) : Exception(message);

/// <summary>
/// One sequence of commands on one lab: carries them out, keeps the model beside, and checks after each step what must
/// hold always, and at the end, when all was mended and has ended, what must hold then.
/// </summary>
internal sealed class Walk(ILab lab, TimeSpan tick, TimeSpan patience)
{
    private readonly List<ModelJob> _jobs = [];
    private readonly Dictionary<long, (WorkloadState State, int Round)> _seen = [];
    private readonly HashSet<string> _fenced = new(StringComparer.Ordinal);
    private readonly HashSet<string> _away = new(StringComparer.Ordinal);
    private readonly HashSet<string> _emptied = new(StringComparer.Ordinal);
    private readonly ModelQuotas _quotas = new();
    private bool _isTroubled;
    private static long s_keys;

    /// <summary>Connections and their retries take their own time, which the lab's clock does not make shorter.</summary>
    private static readonly TimeSpan s_connecting = TimeSpan.FromSeconds(20);

    private IEnumerable<ModelJob> Known => _jobs.Where(j => j.Id is not null && !j.IsDeleted);

    /// <exception cref="BrokenLawException">Something does not hold; the sentences say what.</exception>
    public async Task RunAsync(IReadOnlyList<Command> commands, Action<int> onStep, CancellationToken ct)
    {
        for (var step = 0; step < commands.Count; step++)
        {
            onStep(step);
            await StepAsync(commands[step], ct);
            await lab.PassAsync(tick, ct);
            await CheckAsync(ct);
        }
        onStep(commands.Count);
        await RestAsync(ct);
    }

    private async Task StepAsync(Command command, CancellationToken ct)
    {
        switch (command)
        {
            case Command.Submit c:
                var key = $"k{Interlocked.Increment(ref s_keys)}";
                var job = new ModelJob(key, c.Wish) { WasDisturbed = _isTroubled };
                _jobs.Add(job);
                await SubmitAsync(job, ct);
                break;
            case Command.SubmitAgain c when Pick(_jobs.Where(j => !j.IsClone), c.Which) is { } again:
                await SubmitAsync(again, ct);
                break;
            case Command.CloneJob c when Pick(Known, c.Which) is { } original:
                await CloneAsync(original, ct);
                break;
            case Command.Stop c when Pick(Known, c.Which) is { } unwanted:
                await StopAsync(unwanted, ct);
                break;
            case Command.Delete c when Pick(Known, c.Which) is { } old:
                await DeleteAsync(old, ct);
                break;
            case Command.Submit or Command.SubmitAgain or Command.CloneJob or Command.Stop or Command.Delete:
                break;
            default:
                await DisturbAsync(command, ct);
                break;
        }
    }

    private static T? Pick<T>(IEnumerable<T> all, int which)
        where T : class
    {
        var list = all.ToArray();
        return list.Length == 0 ? null : list[which % list.Length];
    }

    private async Task SubmitAsync(ModelJob job, CancellationToken ct)
    {
        var answer = await lab.SubmitAsync(job.Wish, job.Key, ct);
        if (job.Id is null && IsForWantOfAHost(answer))
        {
            _jobs.Remove(job);
            return;
        }
        Require(answer.Heard != Heard.Refused, $"{job.Key} was refused: {answer.Why}");
        if (answer.Heard == Heard.Done)
        {
            Require(job.Id is null || job.Id == answer.Id, $"9: key {job.Key} was job {job.Id} and is {answer.Id}");
            job.Id = answer.Id;
        }
    }

    /// <summary>Whoever could hold it is out of service.</summary>
    private static bool IsForWantOfAHost(Answer answer) =>
        answer.Heard == Heard.Refused && answer.Why.Contains("the largest host", StringComparison.Ordinal);

    private async Task CloneAsync(ModelJob original, CancellationToken ct)
    {
        var clone = new ModelJob(original.Key, original.Wish) { IsClone = true, WasDisturbed = _isTroubled };
        var answer = await lab.CloneAsync(original.Id!.Value, ct);
        Require(
            answer.Heard != Heard.Refused || original.DeleteMayHaveArrived || IsForWantOfAHost(answer),
            $"no clone of {original.Id}: {answer.Why}"
        );
        if (answer.Heard != Heard.Refused)
        {
            clone.Id = answer.Heard == Heard.Done ? answer.Id : null;
            _jobs.Add(clone);
        }
    }

    private async Task StopAsync(ModelJob job, CancellationToken ct)
    {
        job.StopMayHaveArrived = true;
        var answer = await lab.StopAsync(job.Id!.Value, ct);
        Require(
            answer.Heard != Heard.Refused || job.DeleteMayHaveArrived,
            $"job {job.Id} cannot be stopped: {answer.Why}"
        );
        // Looked at after the answer: what had not ended by now had not ended when the stop was acknowledged
        job.StoppedInTime |=
            answer.Heard == Heard.Done
            && !await lab.MayHaveEndedAsync(job.Id.Value, ct)
            && await Invariants.ScalarAsync<bool>(
                lab.Sql,
                $"select state not in ('Succeeded', 'Failed') from workloads where id = {job.Id}",
                ct
            );
    }

    /// <summary>As it was seen at the last check: it may have failed for want of a machine.</summary>
    private bool IsOver(ModelJob job) => _seen.TryGetValue(job.Id!.Value, out var seen) && seen.State.IsTerminal();

    private async Task DeleteAsync(ModelJob job, CancellationToken ct)
    {
        var wasOver = IsOver(job);
        var answer = await lab.DeleteAsync(job.Id!.Value, ct);
        Require(
            answer.Heard != Heard.Refused || !wasOver || job.DeleteMayHaveArrived,
            $"job {job.Id} has ended and cannot be deleted: {answer.Why}"
        );
        job.DeleteMayHaveArrived |= answer.Heard == Heard.Nothing;
        job.IsDeleted = answer.Heard == Heard.Done;
    }

    /// <summary>
    /// What befalls a host befalls the jobs that have not ended, and those that come before it was mended and seen so: which
    /// of them it hit is not told apart.
    /// </summary>
    private async Task DisturbAsync(Command command, CancellationToken ct)
    {
        var host = command switch
        {
            Command.Lose c => Pick(lab.Hosts, c.Which),
            Command.StopEngine c => Pick(lab.Hosts, c.Which),
            Command.KillEngine c => Pick(lab.Hosts, c.Which),
            Command.PowerCycle c => Pick(lab.Hosts, c.Which),
            Command.Drain { Seconds: not null } c => Pick(lab.Hosts, c.Which),
            Command.Fence c => Pick(lab.Hosts, c.Which),
            Command.Return c => Pick(lab.Hosts, c.Which),
            Command.Activate c => Pick(lab.Hosts, c.Which),
            _ => null,
        };
        switch (command)
        {
            case Command.Fence:
                _fenced.Add(host!);
                break;
            case Command.Lose or Command.StopEngine { ComesBack: false } or Command.PowerCycle:
                _away.Add(host!);
                break;
            case Command.Return:
                _away.Remove(host!);
                break;
            case Command.Drain { Seconds: not null }:
                _emptied.Add(host!);
                break;
            case Command.Activate:
                _emptied.Remove(host!);
                break;
            // By then the console has seen what was mended
            case Command.Advance { Seconds: >= 6 } when _away.Count + _emptied.Count == 0:
                _isTroubled = false;
                break;
        }
        if (host is not null || command is Command.Vanish)
        {
            _isTroubled = true;
            foreach (var job in _jobs.Where(j => j.Id is null || !IsOver(j)))
            {
                job.WasDisturbed = true;
            }
        }
        if (command is Command.EditQuota edit)
        {
            _quotas.Ask(edit.Team, edit.Gpus);
        }
        if (await lab.DoAsync(command, ct) && command is Command.EditQuota done)
        {
            _quotas.Know(done.Team, done.Gpus);
        }
    }

    private async Task CheckAsync(CancellationToken ct)
    {
        var before = await lab.RunningAsync(ct);
        var broken = await Invariants.BrokenAsync(
            lab.Sql,
            before.Select(c => c.AttemptId),
            _jobs.Select(j => j.Id).OfType<long>(),
            ct
        );
        broken.AddRange(await LeaseTroublesAsync(before, ct));
        broken.AddRange(await lab.TroublesAsync(atRest: false, ct));
        var rows = await RowsAsync(ct);
        foreach (var row in rows)
        {
            broken.AddRange(Follow(row));
        }
        broken.AddRange(_quotas.Follow(rows.Select(r => r.Place)));
        Require(broken);
    }

    private sealed record Row(
        long Id,
        string Name,
        WorkloadState State,
        int Round,
        int Interruptions,
        string Message,
        PlacedJob Place
    );

    private async Task<List<Row>> RowsAsync(CancellationToken ct)
    {
        await using var command = lab.Sql.CreateCommand(
            """
            select id, name, state, round, interruptions, message, team_name, preemptible, gpus_held, placed_at from workloads order by id
            """
        );
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<Row>();
        while (await reader.ReadAsync(ct))
        {
            var state = Enum.Parse<WorkloadState>(reader.GetString(2));
            rows.Add(
                new Row(
                    reader.GetInt64(0),
                    reader.GetString(1),
                    state,
                    reader.GetInt32(3),
                    reader.GetInt32(4),
                    reader.GetString(5),
                    new PlacedJob(
                        reader.GetInt64(0),
                        reader.GetString(6),
                        reader.GetBoolean(7),
                        reader.GetInt32(8),
                        await reader.IsDBNullAsync(9, ct) ? null : reader.GetDateTime(9)
                    )
                )
            );
        }
        return rows;
    }

    /// <summary>An end is never left, a round never comes again.</summary>
    private IEnumerable<string> Follow(Row row)
    {
        if (_seen.TryGetValue(row.Id, out var was))
        {
            if (was.State.IsTerminal() && was.State != row.State)
            {
                yield return $"6: job {row.Id} was {was.State} and is {row.State}";
            }
            if (row.Round < was.Round)
            {
                yield return $"3: job {row.Id} was in round {was.Round} and is in {row.Round}";
            }
        }
        _seen[row.Id] = (row.State, row.Round);
    }

    /// <summary>1 and 2: what runs before and after a look at the leases has them.</summary>
    private async Task<IEnumerable<string>> LeaseTroublesAsync(
        IReadOnlyList<RunningContainer> before,
        CancellationToken ct
    )
    {
        if (before.Count == 0)
        {
            return [];
        }
        var leases = (
            await Invariants.ColumnAsync(
                lab.Sql,
                "select attempt_id || ' ' || gpu_uuid from leases where released_at is null",
                ct
            )
        ).ToHashSet(StringComparer.Ordinal);
        var bare = before
            .Where(c => !_fenced.Contains(c.Host))
            .Select(c => (Container: c, Gpus: c.Gpus.Where(g => !leases.Contains($"{c.AttemptId} {g}")).ToArray()))
            .Where(c => c.Gpus.Length > 0)
            .ToArray();
        if (bare.Length == 0)
        {
            return [];
        }
        var after = (await lab.RunningAsync(ct)).Select(c => c.Id).ToHashSet(StringComparer.Ordinal);
        return bare.Where(c => after.Contains(c.Container.Id))
            .Select(c =>
                $"2: attempt {c.Container.AttemptId} runs on {c.Container.Host} without a lease of {c.Gpus[0]}"
            );
    }

    private async Task RestAsync(CancellationToken ct)
    {
        foreach (var team in Commands.Teams)
        {
            _quotas.Ask(team, null);
        }
        await lab.HealAsync(ct);
        var left = await SettleAsync(ct);
        await CheckAsync(ct);
        var broken = left;
        broken.AddRange(await lab.TroublesAsync(atRest: true, ct));
        broken.AddRange(Judge(await RowsAsync(ct)));
        Require(broken);
        await RequireFixpointAsync(ct);
        await lab.ResetAsync(ct);
    }

    private async Task<List<string>> SettleAsync(CancellationToken ct)
    {
        var step = TimeSpan.FromSeconds(1);
        var began = TimeProvider.System.GetTimestamp();
        for (var waited = TimeSpan.Zero; ; waited += step)
        {
            var left = await Invariants.LeftAsync(lab.Sql, ct);
            if (left.Count == 0 || (waited > patience && TimeProvider.System.GetElapsedTime(began) > s_connecting))
            {
                return left;
            }
            await lab.PassAsync(step, ct);
        }
    }

    /// <summary>5, 8, 13: each job is one that was asked for, and ended as it may.</summary>
    private IEnumerable<string> Judge(IReadOnlyList<Row> rows)
    {
        var known = _jobs.Where(j => j.Id is not null).ToDictionary(j => j.Id!.Value);
        foreach (var row in rows)
        {
            if (!known.TryGetValue(row.Id, out var job))
            {
                job = _jobs.Find(j => j.Id is null && j.Key == row.Name);
                if (job is null)
                {
                    yield return $"5: nobody asked for job {row.Id}, {row.Name}";
                    continue;
                }
                job.Id = row.Id;
            }
            var ends = job.Ends;
            if (!ends.Contains(row.State) && row.Interruptions < Core.Reconcile.Rollup.MostInterruptions)
            {
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"8, 13: job {row.Id} is {row.State} ({row.Message}) and should be {string.Join(" or ", ends)}: {job.Wish}"
                );
            }
        }
    }

    /// <summary>10: at rest, time alone changes nothing.</summary>
    private async Task RequireFixpointAsync(CancellationToken ct)
    {
        const string state = """
            select md5(concat((select string_agg(w::text, ',' order by id) from workloads w), (select string_agg(a::text, ',' order by id) from attempts a),
              (select string_agg(l::text, ',' order by id) from leases l), (select count(*) from workload_events)))
            """;
        var before = await Invariants.ScalarAsync<string>(lab.Sql, state, ct);
        await lab.PassAsync(TimeSpan.FromSeconds(12), ct);
        Require(
            before == await Invariants.ScalarAsync<string>(lab.Sql, state, ct),
            "22: at rest something still changes"
        );
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new BrokenLawException(what);
        }
    }

    private static void Require(IReadOnlyCollection<string> broken)
    {
        if (broken.Count > 0)
        {
            throw new BrokenLawException(string.Join(Environment.NewLine, broken));
        }
    }
}
