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
        if (asked.Gpus > 0 && Used.Gpus + asked.Gpus > Quota.Gpus)
        {
            yield return Reason("GPUs", Used.Gpus, Promised.Gpus, asked.Gpus, Quota.Gpus.Value, Words.Number, borrow);
        }
        if (Used.Cpus + asked.Cpus > Quota.Cpus + Room.Epsilon)
        {
            yield return Reason("CPUs", Used.Cpus, Promised.Cpus, asked.Cpus, Quota.Cpus.Value, Words.Number, "");
        }
        if (Used.Memory + asked.Memory > Quota.Memory)
        {
            var most = Quota.Memory.Value;
            yield return Reason("of memory", Used.Memory, Promised.Memory, asked.Memory, most, Words.Bytes, "");
        }
        if (Used.Running + asked.Running > Quota.Running)
        {
            var (most, promised) = (Quota.Running.Value, Promised.Running);
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
