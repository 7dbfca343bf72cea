using System.Security.Cryptography;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Environments;

/// <summary>What opens an environment's Jupyter, sealed.</summary>
internal static class EnvironmentSecrets
{
    private const int TokenBytes = 32;

    public static IEnumerable<WorkloadSecret> Make(
        SecretBox box,
        long workloadId,
        EnvironmentSpec environment,
        string? password
    )
    {
        if (!environment.Jupyter)
        {
            yield break;
        }
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
        yield return Seal(box, workloadId, WorkloadSecret.JupyterToken, token);
        if (password is not null)
        {
            yield return Password(box, workloadId, password);
        }
    }

    public static WorkloadSecret Password(SecretBox box, long workloadId, string password) =>
        Seal(box, workloadId, WorkloadSecret.JupyterPassword, password);

    private static WorkloadSecret Seal(SecretBox box, long workloadId, string name, string text) =>
        new()
        {
            WorkloadId = workloadId,
            Name = name,
            Sealed = box.Seal(WorkloadSecret.PurposeOf(workloadId, name), text),
        };
}
