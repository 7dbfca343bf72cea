using System.Security.Cryptography;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>The key by which the containers of one MPI job let each other in, sealed: made with the job, and no other's.</summary>
internal static class MpiSecret
{
    public static WorkloadSecret Make(SecretBox box, long workloadId)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new WorkloadSecret
        {
            WorkloadId = workloadId,
            Name = WorkloadSecret.MpiKey,
            // PEM, which OpenSSH reads
            Sealed = box.Seal(WorkloadSecret.PurposeOf(workloadId, WorkloadSecret.MpiKey), key.ExportECPrivateKeyPem()),
        };
    }
}
