using Npgsql;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A database cluster of its own for one test, to be stopped and started.</summary>
public sealed class PrivatePostgres : IAsyncDisposable
{
    private readonly string _folder;
    private readonly string _programs;

    private PrivatePostgres(string folder, string programs) => (_folder, _programs) = (folder, programs);

    public string ConnectionString => $"Host={_folder}/run;Database=postgres;Username=postgres";

    public static async Task<PrivatePostgres> StartAsync(CancellationToken ct)
    {
        var programs = Directory.GetDirectories("/usr/lib/postgresql").Order().Last() + "/bin";
        var folder = Directory.CreateTempSubdirectory("dlp-").FullName;
        await Shell.RunAsync("chown", ["postgres", folder], ct);
        var postgres = new PrivatePostgres(folder, programs);
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

    public async ValueTask DisposeAsync()
    {
        if (File.Exists(_folder + "/data/postmaster.pid"))
        {
            await DownAsync(CancellationToken.None);
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
