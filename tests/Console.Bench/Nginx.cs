using System.Diagnostics;
using System.Net.Sockets;

namespace DeepLab.Bench;

/// <summary>nginx before the same upstream: on one port as it comes, on another with connections to the upstream that are kept.</summary>
internal sealed class Nginx : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("deeplab-nginx-").FullName;
    private Process? _process;

    public int KeptPort { get; } = TestPorts.Free();
    public int PlainPort { get; } = TestPorts.Free();

    private static string? Program =>
        (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(f => Path.Combine(f, "nginx"))
            .FirstOrDefault(File.Exists);

    /// <summary>Null where it is not installed.</summary>
    public static async Task<Nginx?> StartAsync(int upstream, CancellationToken ct)
    {
        if (Program is not { } program)
        {
            return null;
        }
        var nginx = new Nginx();
        var file = Path.Combine(nginx._folder, "nginx.conf");
        await File.WriteAllTextAsync(file, nginx.Configuration(upstream), ct);
        var start = new ProcessStartInfo(program, ["-c", file, "-p", nginx._folder, "-e", "stderr"])
        {
            UseShellExecute = false,
        };
        nginx._process = Process.Start(start)!;
        var began = Stopwatch.GetTimestamp();
        while (!await AnswersAsync(nginx.PlainPort, ct))
        {
            BenchException.Require(
                !nginx._process.HasExited && Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(10),
                "nginx did not start"
            );
            await Task.Delay(TimeSpan.FromMilliseconds(20), ct);
        }
        return nginx;
    }

    private string Configuration(int upstream) =>
        $$"""
            daemon off;
            worker_processes auto;
            pid {{_folder}}/nginx.pid;
            events { worker_connections 1024; }
            http {
              access_log off;
              client_body_temp_path {{_folder}}/body; proxy_temp_path {{_folder}}/proxy; fastcgi_temp_path {{_folder}}/fastcgi;
              uwsgi_temp_path {{_folder}}/uwsgi; scgi_temp_path {{_folder}}/scgi;
              upstream kept { server 127.0.0.1:{{upstream}}; keepalive 64; }
              server {
                listen 127.0.0.1:{{KeptPort}};
                keepalive_requests 10000000;
                location / { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
              }
              server {
                listen 127.0.0.1:{{PlainPort}};
                keepalive_requests 10000000;
                location / { proxy_pass http://127.0.0.1:{{upstream}}; }
              }
            }
            """;

    private static async Task<bool> AnswersAsync(int port, CancellationToken ct)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", port, ct);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false } process)
        {
            // Its master takes its workers with it only when it is asked, not when it is killed
            await Machine.CommandAsync(["kill", "-QUIT", process.Id.ToString()], null, CancellationToken.None);
            await process.WaitForExitAsync();
            process.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }
}
