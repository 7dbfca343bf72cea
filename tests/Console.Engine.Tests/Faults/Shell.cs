using System.Diagnostics;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>Runs a program of the test kit to its end.</summary>
internal static class Shell
{
    /// <summary>Runs `docker` against an engine and answers what it says.</summary>
    public static Task<string> DockerAsync(string address, CancellationToken ct, params string[] arguments) =>
        RunAsync("docker", ["-H", address, .. arguments], ct);

    /// <summary>
    /// Runs what a program in a container waits for. Nothing is awaited of it: a program that then ends takes the
    /// command along, killed, though it did its work.
    /// </summary>
    public static Task TellAsync(string address, string container, CancellationToken ct, params string[] command) =>
        DockerAsync(address, ct, ["exec", "--detach", container, .. command]);

    /// <summary>Puts a starter image of the repository into an engine, where it lacks it.</summary>
    public static Task LoadImageAsync(string image, string engine, CancellationToken ct)
    {
        var hosts =
            Environment.GetEnvironmentVariable("DEEPLAB_TEST_LAB")
            ?? throw new InvalidOperationException("DEEPLAB_TEST_LAB is not set; run the tests with ./lab test.");
        return RunAsync(Path.Combine(Path.GetDirectoryName(hosts)!, "../../images/load"), [image, engine], ct);
    }

    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, CancellationToken ct)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        // A daemon that a script leaves behind may keep the pipes open: the end of the process is what counts
        var output = process.StandardOutput.ReadToEndAsync(ct);
        var errors = process.StandardError.ReadToEndAsync(ct);
        await process.WaitForExitAsync(ct);
        var text = await output;
        return process.ExitCode == 0
            ? text
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', start.ArgumentList)} ended with {process.ExitCode}: {await errors}"
            );
    }
}
