using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class ExitDiagnosisTests
{
    private static readonly ExitFacts s_clean = new(0, false, "", true, false, false, 64 << 20);

    public static TheoryData<ExitFacts, Reason, string> Ends =>
        new()
        {
            { s_clean, Reason.Completed, "exit code 0" },
            { s_clean with { ExitCode = 3 }, Reason.ExitedNonZero, "exit code 3" },
            { s_clean with { ExitCode = 137, OomKilled = true }, Reason.OutOfMemory, "64 MiB" },
            { s_clean with { OomKilled = true }, Reason.Completed, "killed one of its processes" },
            { s_clean with { ExitCode = 137 }, Reason.KilledBySignal, "SIGKILL" },
            { s_clean with { ExitCode = 139 }, Reason.KilledBySignal, "SIGSEGV" },
            { s_clean with { ExitCode = 127 }, Reason.CommandNotFound, "not found" },
            { s_clean with { ExitCode = 126 }, Reason.CommandNotExecutable, "could not be executed" },
            { s_clean with { ExitCode = 1, GpuTrouble = "GPU-1: gone" }, Reason.GpuFailed, "GPU-1: gone" },
            { s_clean with { GpuTrouble = "GPU-1: gone" }, Reason.Completed, "exit code 0" },
            { s_clean with { DuringOutage = true }, Reason.EngineStopped, "interruption" },
            { s_clean with { StoppedByUs = true }, Reason.StoppedByUser, "on request" },
            { s_clean with { StoppedByUs = true, DuringOutage = true }, Reason.StoppedByUser, "on request" },
            { s_clean with { Started = false, ExitCode = 127, Error = "exec: x" }, Reason.CommandNotFound, "exec: x" },
            { s_clean with { Started = false, ExitCode = 128 }, Reason.StartFailed, "did not start" },
        };

    [Theory]
    [MemberData(nameof(Ends))]
    public void Every_end_has_its_reason_in_words(ExitFacts facts, Reason reason, string words)
    {
        var told = ExitDiagnosis.Explain(facts);
        Assert.Equal(reason, told.Reason);
        Assert.Contains(words, told.Message);
    }

    [Fact]
    public void Only_an_undisturbed_exit_with_zero_is_a_success() =>
        Assert.All(
            from code in new[] { 0, 1, 137 }
            from stopped in new[] { false, true }
            from outage in new[] { false, true }
            select s_clean with
            {
                ExitCode = code,
                StoppedByUs = stopped,
                DuringOutage = outage,
            },
            f =>
                Assert.Equal(
                    f is { ExitCode: 0, StoppedByUs: false, DuringOutage: false },
                    ExitDiagnosis.Explain(f).Reason == Reason.Completed
                )
        );
}
