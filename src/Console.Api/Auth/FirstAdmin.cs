using System.Text;
using DeepLab.Core;
using DeepLab.Core.Operations.Accounts;
using Microsoft.Extensions.Logging;

namespace DeepLab.Api.Auth;

/// <summary>
/// Makes the first admin of a new installation. To be run once the database is migrated. Several consoles may run it at
/// once: one makes the user, and only that one writes the password down.
/// </summary>
public sealed partial class FirstAdmin(
    UserVerbs users,
    Passwords passwords,
    ConsoleOptions options,
    ILogger<FirstAdmin> logger
)
{
    public const string UserName = "admin";

    /// <summary>Below the data folder; readable by the console's own user only.</summary>
    public const string FileName = "first-password";

    public async Task RunAsync(CancellationToken ct)
    {
        if (await users.FindByNameAsync(UserName, ct) is not null)
        {
            // Saves the cost of a hash on every start
            return;
        }
        var password = options.FirstPassword ?? Passwords.Generate();
        if (!await users.CreateFirstAdminAsync(UserName, passwords.Hash(password), ct))
        {
            return;
        }
        var path = Path.Combine(options.DataFolder, FileName);
        File.Delete(path);
        var create = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        await using var file = new FileStream(path, create);
        await file.WriteAsync(Encoding.UTF8.GetBytes(password + "\n"), ct);
        Log.Made(logger, UserName, path);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Made the first user, {UserName}; the password is in {Path}")]
        public static partial void Made(ILogger logger, string userName, string path);
    }
}
