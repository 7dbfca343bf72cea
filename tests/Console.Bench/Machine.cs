using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace DeepLab.Bench;

/// <summary>What the kernel says of this machine and of other processes on it.</summary>
internal static class Machine
{
    /// <summary>Ticks a second in /proc/PID/stat, on every Linux that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    /// <summary>Load averages of 1, 5 and 15 minutes.</summary>
    public static string Load() => string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ').Take(3));

    /// <summary>Core-seconds that a process and its threads have used.</summary>
    public static double CpuSeconds(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        // The name, in brackets, may hold blanks
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (
                long.Parse(fields[11], CultureInfo.InvariantCulture)
                + long.Parse(fields[12], CultureInfo.InvariantCulture)
            ) / TicksPerSecond;
    }

    /// <summary>Resident bytes.</summary>
    public static long ResidentBytes(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            << 10;
    }

    /// <summary>The process that listens at an engine's socket, by the kernel's word.</summary>
    public static async Task<int> EnginePidAsync(CancellationToken ct)
    {
        const int SolSocket = 1;
        const int PeerCredentials = 17;
        using var socket = await BareEngine.ConnectAsync(ct);
        // pid, uid, gid
        var credentials = new byte[12];
        socket.GetRawSocketOption(SolSocket, PeerCredentials, credentials);
        return BitConverter.ToInt32(credentials);
    }

    public static bool Has(string command) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, command)));

    /// <summary>Runs a command to its end; answers its exit code, what it wrote, and how long it took.</summary>
    public static async Task<(int ExitCode, string Output, TimeSpan Took)> CommandAsync(
        string[] argv,
        IReadOnlyDictionary<string, string?>? environment,
        CancellationToken ct
    )
    {
        var start = new ProcessStartInfo(argv[0], argv[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(ct);
        var errors = process.StandardError.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        var took = Stopwatch.GetElapsedTime(began);
        return (process.ExitCode, await output + await errors, took);
    }
}
