using System.Diagnostics;

namespace DeepLab.Core.Reconcile;

/// <summary>Named steps of a launch at which a fault test ends this process the hard way.</summary>
public class Failpoints(ConsoleOptions options)
{
    public const string BeforeLeaseCommit = "before-lease-commit";
    public const string AfterLeaseCommit = "after-lease-commit";
    public const string BeforeCreate = "before-create";
    public const string AfterCreate = "after-create";
    public const string AfterCode = "after-code";
    public const string AfterStart = "after-start";
    public const string AfterRunningSaved = "after-running-saved";
    public const string AfterStopIntent = "after-stop-intent";
    public const string AfterStopSent = "after-stop-sent";
    public const string BeforeExitSaved = "before-exit-saved";
    public const string AfterExitSaved = "after-exit-saved";
    public const string AfterArchive = "after-archive";
    public const string AfterRemove = "after-remove";

    public static IReadOnlyList<string> All { get; } =
    [
        BeforeLeaseCommit,
        AfterLeaseCommit,
        BeforeCreate,
        AfterCreate,
        AfterCode,
        AfterStart,
        AfterRunningSaved,
        AfterStopIntent,
        AfterStopSent,
        BeforeExitSaved,
        AfterExitSaved,
        AfterArchive,
        AfterRemove,
    ];

    public virtual void Hit(string name)
    {
        if (options.Failpoint == name)
        {
            // SIGKILL: no finally, no flush, no shutdown
            using var self = Process.GetCurrentProcess();
            self.Kill();
            self.WaitForExit();
        }
    }
}
