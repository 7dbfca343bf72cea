using DeepLab.Api.Auth;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Core.Storage;

namespace DeepLab.Web;

/// <summary>What must be done before the first request: the schema, the first host, the first admin.</summary>
internal static class Startup
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private const int Tries = 60;

    /// <summary>Waits a minute for a database that is still starting.</summary>
    public static async Task PrepareAsync(IServiceProvider services, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await services.GetRequiredService<Bootstrap>().RunAsync(ct);
                await services.GetRequiredService<FirstAdmin>().RunAsync(ct);
                return;
            }
            catch (Exception e) when (attempt < Tries && DatabaseFaults.IsFault(e))
            {
                await Console.Error.WriteLineAsync($"The database does not answer yet: {e.Message}");
                await Task.Delay(s_retry, services.GetRequiredService<TimeProvider>(), ct);
            }
        }
    }
}
