using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A database cluster of its own for one test, to be stopped and started.</summary>
public sealed class PrivatePostgres : IAsyncDisposable
{
    private readonly string _folder;
    private readonly string _programs;
    private bool _hasOwnDisk;

    private PrivatePostgres(string folder, string programs) => (_folder, _programs) = (folder, programs);

    public string ConnectionString => $"Host={_folder}/run;Database=postgres;Username=postgres";

    /// <param name="megabytes">on a disk of its own of this size, which it can fill; 0 = on the machine's</param>
    public static async Task<PrivatePostgres> StartAsync(CancellationToken ct, int megabytes = 0)
    {
        var programs = Directory.GetDirectories("/usr/lib/postgresql").Order().Last() + "/bin";
        var folder = Directory.CreateTempSubdirectory("dlp-").FullName;
        if (megabytes > 0)
        {
            await Shell.RunAsync("mount", ["-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", folder], ct);
        }
        await Shell.RunAsync("chown", ["postgres", folder], ct);
        var postgres = new PrivatePostgres(folder, programs) { _hasOwnDisk = megabytes > 0 };
        await postgres.AsPostgresAsync(
            $"mkdir {folder}/run && {programs}/initdb -D {folder}/data --no-sync -A trust -U postgres -E UTF8 --locale=C.UTF-8",
            ct
        );
        await postgres.UpAsync(ct);
        return postgres;
    }

    public Task UpAsync(CancellationToken ct) =>
        AsPostgresAsync(
            $"{_programs}/pg_ctl -D {_folder}/data -w -l {_folder}/log -o \"-c listen_addresses= -c unix_socket_directories={_folder}/run -c fsync=off\" start",
            ct
        );

    public async Task DownAsync(CancellationToken ct)
    {
        await AsPostgresAsync($"{_programs}/pg_ctl -D {_folder}/data -w -m fast stop", ct);
        NpgsqlConnection.ClearAllPools();
    }

    /// <summary>SIGQUIT: it ends in the middle of whatever it does, and recovers when it is up again.</summary>
    public async Task CrashAsync(CancellationToken ct)
    {
        await AsPostgresAsync($"{_programs}/pg_ctl -D {_folder}/data -w -m immediate stop", ct);
        NpgsqlConnection.ClearAllPools();
    }

    private string Ballast => $"{_folder}/ballast";

    /// <summary>Not a block is left on its own disk, until <see cref="MakeRoom"/>.</summary>
    public Task FillDiskAsync(CancellationToken ct) =>
        // dd ends with an error when nothing more fits, which is what it is for
        Shell.RunAsync("sh", ["-c", $"! dd if=/dev/zero of={Ballast} bs=4k 2>/dev/null"], ct);

    public void MakeRoom() => File.Delete(Ballast);

    public async ValueTask DisposeAsync()
    {
        MakeRoom();
        if (File.Exists(_folder + "/data/postmaster.pid"))
        {
            await DownAsync(CancellationToken.None);
        }
        if (_hasOwnDisk)
        {
            await Shell.RunAsync("umount", [_folder], CancellationToken.None);
        }
        Directory.Delete(_folder, recursive: true);
    }

    private Task<string> AsPostgresAsync(string script, CancellationToken ct) =>
        // PostgreSQL refuses to run as root
        Environment.UserName == "root"
            ? Shell.RunAsync(
                "setpriv",
                [
                    "--reuid",
                    "postgres",
                    "--regid",
                    "postgres",
                    "--init-groups",
                    "sh",
                    "-c",
                    $"cd / && {script} >/dev/null",
                ],
                ct
            )
            : Shell.RunAsync("sh", ["-c", script + " >/dev/null"], ct);
}
