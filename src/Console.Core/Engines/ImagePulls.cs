using Docker.DotNet;
using Docker.DotNet.Models;

namespace DeepLab.Core.Engines;

/// <summary>One pull per reference, however many ask; it is given up when the last of them has gone.</summary>
internal sealed class ImagePulls(TimeProvider time, IRegistryLogins? logins)
{
    /// <summary>A registry that sends nothing for this long has gone.</summary>
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(2);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Pull> _running = new(StringComparer.Ordinal);

    public async Task PullAsync(
        DockerClient client,
        Uri address,
        string reference,
        IProgress<PullProgress>? progress,
        CancellationToken ct
    )
    {
        Pull pull;
        lock (_gate)
        {
            if (!_running.TryGetValue(reference, out pull!))
            {
                pull = new Pull(reference, time);
                _running[reference] = pull;
                pull.Work = RunAsync(pull, client, address);
            }
            pull.Join(progress);
        }
        try
        {
            await pull.Work.WaitAsync(ct);
        }
        finally
        {
            lock (_gate)
            {
                if (pull.Leave(progress) && Remove(pull))
                {
                    pull.Cancel();
                }
            }
        }
    }

    private bool Remove(Pull pull) =>
        _running.TryGetValue(pull.Reference, out var current) && current == pull && _running.Remove(pull.Reference);

    private async Task RunAsync(Pull pull, DockerClient client, Uri address)
    {
        // The caller holds the gate until it has joined
        await Task.Yield();
        var (name, tag) = Split(pull.Reference);
        try
        {
            pull.Reset(IdleLimit);
            var access = logins is null ? null : await logins.ForAsync(pull.Reference, pull.Token);
            await client.Images.CreateImageAsync(
                new ImagesCreateParameters { FromImage = name, Tag = tag },
                access is null
                    ? null
                    : new AuthConfig
                    {
                        Username = access.UserName,
                        Password = access.Password,
                        RegistryToken = access.Token,
                    },
                pull,
                pull.Token
            );
            if (pull.Error is { } error)
            {
                throw EngineErrors.FromProgress(error);
            }
        }
        catch (OperationCanceledException e) when (pull.TimedOut)
        {
            // Of the engine nothing is known to be wrong: it waits for a registry
            throw new EngineException(
                EngineErrorKind.Other,
                $"The pull of {pull.Reference} on {address} made no progress for {IdleLimit.TotalMinutes} minutes.",
                e
            );
        }
        catch (Exception e) when (EngineErrors.Covers(e))
        {
            throw EngineErrors.Map(e, address);
        }
        finally
        {
            lock (_gate)
            {
                Remove(pull);
            }
            pull.Dispose();
        }
    }

    /// <summary>Without a tag the engine would pull every tag there is.</summary>
    internal static (string Name, string Tag) Split(string reference)
    {
        if (reference.Contains('@'))
        {
            return (reference, "");
        }
        var colon = reference.LastIndexOf(':');
        return colon > reference.LastIndexOf('/')
            ? (reference[..colon], reference[(colon + 1)..])
            : (reference, "latest");
    }

    /// <summary>The one of an image's digests that is of the reference's own name; null where there is none.</summary>
    internal static string? Pinned(string reference, IEnumerable<string> digests)
    {
        var name = Familiar(Split(reference.Split('@')[0]).Name);
        return digests.FirstOrDefault(d => Familiar(d.Split('@')[0]) == name);
    }

    /// <summary>Engines leave out their default registry.</summary>
    private static string Familiar(string name)
    {
        foreach (var part in (string[])["docker.io/", "library/"])
        {
            name = name.StartsWith(part, StringComparison.Ordinal) ? name[part.Length..] : name;
        }
        return name;
    }

    private sealed class Pull(string reference, TimeProvider time) : IProgress<JSONMessage>, IDisposable
    {
        private readonly Lock _gate = new();
        private readonly List<IProgress<PullProgress>> _listeners = [];
        private readonly Dictionary<string, (long Done, long Total)> _layers = new(StringComparer.Ordinal);
        private readonly CancellationTokenSource _cancel = new();
        private readonly CancellationTokenSource _idle = new(Timeout.InfiniteTimeSpan, time);
        private CancellationTokenSource? _both;
        private int _waiters;
        private bool _disposed;

        public string Reference { get; } = reference;
        public Task Work { get; set; } = Task.CompletedTask;
        public string? Error { get; private set; }
        public bool TimedOut => _idle.IsCancellationRequested && !_cancel.IsCancellationRequested;
        public CancellationToken Token =>
            (_both ??= CancellationTokenSource.CreateLinkedTokenSource(_cancel.Token, _idle.Token)).Token;

        public void Reset(TimeSpan limit) => _idle.CancelAfter(limit);

        public void Join(IProgress<PullProgress>? progress)
        {
            lock (_gate)
            {
                _waiters++;
                if (progress is not null)
                {
                    _listeners.Add(progress);
                }
            }
        }

        /// <summary>True where nobody waits any more.</summary>
        public bool Leave(IProgress<PullProgress>? progress)
        {
            lock (_gate)
            {
                if (progress is not null)
                {
                    _listeners.Remove(progress);
                }
                return --_waiters == 0;
            }
        }

        public void Cancel()
        {
            lock (_gate)
            {
                if (!_disposed)
                {
                    _cancel.Cancel();
                }
            }
        }

        public void Report(JSONMessage value)
        {
            _idle.CancelAfter(IdleLimit);
            IProgress<PullProgress>[] listeners;
            PullProgress now;
            lock (_gate)
            {
                Error ??= value.Error?.Message;
                if (value.ID is { Length: > 0 } layer)
                {
                    Count(layer, value);
                }
                now = new PullProgress(Reference, Fraction(), value.Status ?? "");
                listeners = [.. _listeners];
            }
            foreach (var listener in listeners)
            {
                listener.Report(now);
            }
        }

        /// <summary>A layer is downloaded, then unpacked: half of its bytes each.</summary>
        private void Count(string layer, JSONMessage m)
        {
            var known = _layers.GetValueOrDefault(layer);
            var total = m.Progress?.Total is > 0 and { } t ? t * 2 : known.Total;
            var current = Math.Min(m.Progress?.Current ?? 0, total / 2);
            _layers[layer] = m.Status switch
            {
                "Downloading" => (current, total),
                "Extracting" => ((total / 2) + current, total),
                "Download complete" => (total / 2, total),
                "Pull complete" or "Already exists" => (Math.Max(total, 1), Math.Max(total, 1)),
                _ => (known.Done, total),
            };
        }

        private double? Fraction()
        {
            var total = _layers.Values.Sum(l => l.Total);
            return total == 0 ? null : _layers.Values.Sum(l => l.Done) / (double)total;
        }

        public void Dispose()
        {
            lock (_gate)
            {
                _disposed = true;
            }
            _both?.Dispose();
            _cancel.Dispose();
            _idle.Dispose();
        }
    }
}
