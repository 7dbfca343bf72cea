using DeepLab.Core.Workloads;

namespace DeepLab.Bench;

/// <summary>The jobs that are measured.</summary>
internal static class Jobs
{
    public const string Image = "deeplab/base:13";

    public static JobSpec Of(
        IEnumerable<string> command,
        int gpus = 0,
        int replicas = 1,
        double cpus = 0.25,
        int memoryMib = 64,
        string image = Image
    ) =>
        new()
        {
            Name = "bench",
            Image = image,
            Roles =
            [
                new RoleSpec
                {
                    Name = "worker",
                    Replicas = replicas,
                    Command = [.. command],
                    Resources = new ResourcesSpec
                    {
                        Gpus = gpus,
                        Cpus = cpus,
                        Memory = (long)memoryMib << 20,
                    },
                },
            ],
        };

    public static JobSpec Shell(
        string script,
        int gpus = 0,
        int replicas = 1,
        double cpus = 0.25,
        int memoryMib = 64
    ) => Of(["sh", "-c", script], gpus, replicas, cpus, memoryMib);

    /// <summary>Lines of one length, like those of a training run.</summary>
    public static JobSpec Lines(int count, int delaySeconds) =>
        Shell(
            $"sleep {delaySeconds}; seq -f 'step %09.0f loss 0.4242 accuracy 0.9876 images/s 1234.5' 1 {count}",
            cpus: 1
        );
}
