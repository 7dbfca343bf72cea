using System.Security.Cryptography;
using DeepLab.Core.Tenancy;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace DeepLab.Api.Auth;

/// <summary>
/// Makes and checks password hashes: PBKDF2 with SHA-512. At most two are computed at once, so that guessing
/// cannot take the machine from those who are signed in.
/// </summary>
public sealed class Passwords : IDisposable
{
    public const int LeastLength = 10;
    public const int MostLength = 200;

    /// <summary>Rounds of PBKDF2; OWASP's figure of 2023 for SHA-512.</summary>
    public const int Rounds = 210_000;

    /// <summary>Without letters that are taken for one another.</summary>
    private const string Letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    private static readonly User s_nobody = new()
    {
        UserName = "",
        PasswordHash = "",
        SecurityStamp = "",
    };
    private readonly PasswordHasher<User> _hasher = new(
        Options.Create(new PasswordHasherOptions { IterationCount = Rounds })
    );
    private readonly SemaphoreSlim _slots = new(2);
    private readonly Lazy<string> _noOnesHash;

    public Passwords() => _noOnesHash = new Lazy<string>(() => Hash(Generate()));

    public string Hash(string password) => _hasher.HashPassword(s_nobody, password);

    /// <summary>
    /// True where the password is the user's. Takes as long where there is no such user: it then checks against a hash
    /// that nobody's password matches.
    /// </summary>
    public async Task<bool> CheckAsync(User? user, string password, CancellationToken ct)
    {
        await _slots.WaitAsync(ct);
        try
        {
            var hash = user?.PasswordHash ?? _noOnesHash.Value;
            var result = _hasher.VerifyHashedPassword(s_nobody, hash, password);
            return user is { Disabled: false } && result != PasswordVerificationResult.Failed;
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>20 letters and digits, about 116 bits.</summary>
    public static string Generate() => RandomNumberGenerator.GetString(Letters, 20);

    /// <summary>What is wrong with a new password; null where nothing is.</summary>
    public static string? WhyRefused(string password) =>
        password.Length is < LeastLength or > MostLength
            ? $"The password has {password.Length} characters; {LeastLength} to {MostLength} are allowed."
            : null;

    public void Dispose() => _slots.Dispose();
}
