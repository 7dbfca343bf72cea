using DeepLab.Core.Workloads;

namespace DeepLab.Core.Operations.Jobs;

/// <summary>Specs in the database were valid when they were stored.</summary>
public static class StoredSpec
{
    /// <exception cref="InvalidOperationException">The stored text is not a spec: the database was edited by hand.</exception>
    public static JobSpec Read(string json) =>
        TryRead(json, out var trouble) ?? throw new InvalidOperationException(trouble);

    /// <summary>As its present round has it: an elastic job may have fewer replicas.</summary>
    /// <exception cref="InvalidOperationException">As <see cref="Read"/>.</exception>
    public static JobSpec ReadRound(Workload w) => Read(w.SpecJson).InRound(w.RoundReplicas);

    /// <summary>For lists and pages, which show an environment whose spec does not read back too: by its name, with nothing in it.</summary>
    public static JobSpec ReadEnvironmentToShow(Workload w) =>
        TryRead(w.SpecJson, out _)
        ?? new JobSpec
        {
            Name = w.Name,
            Image = "",
            Roles = [new RoleSpec { Name = EnvironmentSpec.Role }],
            Environment = new EnvironmentSpec { Jupyter = false },
        };

    /// <summary>With every default spelled out; what does not read back as it is stored.</summary>
    /// <param name="read">what was read of it</param>
    public static string Write(JobSpec? read, string json) => read is null ? json : SpecWriter.Write(read);

    /// <param name="trouble">where it is null, one sentence that says why</param>
    public static JobSpec? TryRead(string json, out string trouble)
    {
        var reading = SpecReader.ReadStored(json);
        trouble = reading.Spec is not null
            ? ""
            : "its stored spec does not read back: "
                + string.Join(" ", reading.Errors.Take(3).Select(e => $"{e.Path}: {e.Message}"));
        return reading.Spec;
    }
}
