using System.Net;
using DeepLab.Core;
using DeepLab.Core.Feeds;
using DeepLab.Core.Storage;
using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api.Tests.Gateway;

/// <summary>The rows that the control loop writes for an environment, whose container is a test's.</summary>
public sealed class RunningWorkload
{
    public const string Token = "the-token-of-jupyter";
    private readonly ApiHost _host;

    private static int s_port;

    private RunningWorkload(ApiHost host) => _host = host;

    /// <summary>An address that nothing listens at, and no other test has.</summary>
    public static IPEndPoint Nowhere() => new(IPAddress.Loopback, Interlocked.Increment(ref s_port));

    public long Id { get; private set; }
    public long AttemptId { get; private set; }
    public string Name { get; private init; } = Endpoint.Jupyter;

    /// <summary>`/e/12/jupyter/`</summary>
    public string Path => Endpoint.PathOf(Id, Name);

    /// <param name="address">null where nothing was leased yet</param>
    public static async Task<RunningWorkload> AddAsync(
        ApiHost host,
        User owner,
        IPEndPoint? address,
        string name = Endpoint.Jupyter,
        EndpointKind kind = EndpointKind.Http
    )
    {
        var workload = new RunningWorkload(host) { Name = name };
        await workload.InsertAsync(owner);
        if (address is not null)
        {
            await workload.RunAsync(address, kind);
        }
        return workload;
    }

    private async Task InsertAsync(User owner)
    {
        var now = TimeProvider.System.GetUtcNow();
        await using var db = await _host.DbAsync();
        var w = new Workload
        {
            Kind = WorkloadKind.Environment,
            Name = "notebook",
            OwnerId = owner.Id,
            OwnerName = owner.UserName,
            ClusterId = await db.Clusters.Select(c => c.Id).FirstAsync(),
            SpecJson = SpecWriter.Write(
                new JobSpec
                {
                    Name = "notebook",
                    Image = "pytorch-cpu",
                    Roles = [new RoleSpec { Name = EnvironmentSpec.Role }],
                    Environment = new EnvironmentSpec(),
                }
            ),
            SpecHash = "",
            State = WorkloadState.Queued,
            SubmittedAt = now,
            QueuedAt = now,
        };
        db.Workloads.Add(w);
        await db.SaveChangesAsync();
        Id = w.Id;
        var box = _host.Services.GetRequiredService<SecretBox>();
        db.Secrets.Add(
            new WorkloadSecret
            {
                WorkloadId = Id,
                Name = WorkloadSecret.JupyterToken,
                Sealed = box.Seal($"workload-secret/{Id}/{WorkloadSecret.JupyterToken}", Token),
            }
        );
        db.Replicas.Add(new Replica { WorkloadId = Id, Role = "main" });
        await db.SaveChangesAsync();
    }

    /// <summary>A new attempt, running at this address; the one before is over and its port free.</summary>
    public async Task RunAsync(IPEndPoint address, EndpointKind kind = EndpointKind.Http)
    {
        await EndAttemptAsync();
        await using (var db = await _host.DbAsync())
        {
            // A free port of this machine may have been an earlier test's
            await db
                .Endpoints.Where(e => e.Port == address.Port && e.ReleasedAt == null)
                .ExecuteUpdateAsync(s => s.SetProperty(e => e.ReleasedAt, e => e.LeasedAt));
            var replica = await db.Replicas.SingleAsync(r => r.WorkloadId == Id);
            var host = await db.Hosts.Where(h => h.Name == "local").Select(h => h.Id).SingleAsync();
            var attempt = new Attempt
            {
                WorkloadId = Id,
                ReplicaId = replica.Id,
                ReplicaName = replica.Name,
                Number = await db.Attempts.CountAsync(a => a.WorkloadId == Id) + 1,
                HostId = host,
                ContainerName = "a test's",
                State = AttemptState.Running,
                LeasedAt = TimeProvider.System.GetUtcNow(),
            };
            db.Attempts.Add(attempt);
            await db.SaveChangesAsync();
            AttemptId = attempt.Id;
            db.Endpoints.Add(
                new Endpoint
                {
                    WorkloadId = Id,
                    AttemptId = AttemptId,
                    HostId = host,
                    Name = Name,
                    Kind = kind,
                    ContainerPort = 8888,
                    Address = address.Address.ToString(),
                    Port = address.Port,
                    LeasedAt = TimeProvider.System.GetUtcNow(),
                }
            );
            await db.SaveChangesAsync();
        }
        await ChangeAsync(w => w.State = WorkloadState.Running);
    }

    /// <summary>The container was seen dead: what the loop writes then.</summary>
    public async Task EndAttemptAsync()
    {
        await using var db = await _host.DbAsync();
        var now = TimeProvider.System.GetUtcNow();
        await db
            .Attempts.Where(a => a.WorkloadId == Id && a.State == AttemptState.Running)
            .ExecuteUpdateAsync(s =>
                s.SetProperty(a => a.State, AttemptState.Exited).SetProperty(a => a.ContainerRemoved, true)
            );
        await db
            .Endpoints.Where(e => e.WorkloadId == Id && e.ReleasedAt == null)
            .ExecuteUpdateAsync(s => s.SetProperty(e => e.ReleasedAt, now));
    }

    /// <summary>Changes the workload as another console would, and tells it.</summary>
    public async Task ChangeAsync(Action<Workload> change)
    {
        await using var db = await _host.DbAsync();
        await db
            .Database.CreateExecutionStrategy()
            .ExecuteAsync(async () =>
            {
                await using var transaction = await db.Database.BeginTransactionAsync();
                change(await db.Workloads.SingleAsync(w => w.Id == Id));
                db.Tell(ChangeKind.Workload, Id);
                await db.CommitAsync(CancellationToken.None);
            });
    }
}
