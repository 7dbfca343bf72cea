using DeepLab.Core.Tenancy;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Placement;

/// <summary>A quota and what is used of it, to tell what it refuses.</summary>
/// <param name="Who">`team vision`</param>
/// <param name="Used">held or promised</param>
internal sealed record QuotaUse(string Who, Quota Quota, Usage Used, Usage Promised)
{
    /// <param name="borrow">what to say of GPUs above the quota</param>
    public IEnumerable<WaitReason> Over(Usage asked, string borrow)
    {
        if (asked.Gpus > 0 && Quota.Gpus is { } gpus && Used.Gpus + asked.Gpus > gpus)
        {
            yield return Reason("GPUs", Used.Gpus, Promised.Gpus, asked.Gpus, gpus, Words.Number, borrow);
        }
        if (Quota.Cpus is { } cpus && Used.Cpus + asked.Cpus > cpus + Room.Epsilon)
        {
            yield return Reason("CPUs", Used.Cpus, Promised.Cpus, asked.Cpus, cpus, Words.Number, "");
        }
        if (Quota.Memory is { } memory && Used.Memory + asked.Memory > memory)
        {
            yield return Reason("of memory", Used.Memory, Promised.Memory, asked.Memory, memory, Words.Bytes, "");
        }
        if (Quota.Running is { } most && Used.Running + asked.Running > most)
        {
            var promised = Promised.Running;
            var ahead = promised == 0 ? "" : $", and {promised} ahead of it in the queue";
            yield return new WaitReason(
                WaitKind.QuotaReached,
                $"{Who} has {Used.Running - promised} of at most {most} workloads running{ahead}",
                1,
                Math.Max(0, most - Used.Running),
                most
            );
        }
    }

    private WaitReason Reason(
        string what,
        double used,
        double promised,
        double asked,
        double most,
        Func<double, string> say,
        string borrow
    )
    {
        var ahead = promised == 0 ? "" : $", and {say(promised)} are promised to jobs ahead";
        var message =
            asked > most + Room.Epsilon
                ? $"needs {say(asked)} {what}; the quota of {Who} is {say(most)} altogether{borrow}"
                : $"{Who} holds {say(used - promised)} of the {say(most)} {what} of its quota{ahead}; needs {say(asked)} more{borrow}";
        return new WaitReason(WaitKind.QuotaReached, message, asked, Math.Max(0, most - used), most);
    }
}
