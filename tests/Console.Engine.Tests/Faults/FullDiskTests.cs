using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace DeepLab.Engine.Tests.Faults;

/// <summary>A data folder without room: told in words, nothing half kept, and everything else goes on.</summary>
public sealed class FullDiskTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_upload_that_finds_the_data_folder_full_is_refused_in_words_and_leaves_nothing()
    {
        await using var console = await ConsoleProcess.CreateAsync(Ct);
        var code = Directory.CreateDirectory(Path.Combine(console.Folder, "code")).FullName;
        await Shell.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", code], Ct);
        try
        {
            await console.StartAsync(Ct);
            await console.SignInAsync(Ct);
            using var http = new HttpClient { BaseAddress = console.Address };
            http.DefaultRequestHeaders.Authorization = console.Authorization;
            // What does not compress does not fit
            using var body = new ByteArrayContent(RandomNumberGenerator.GetBytes(4 << 20));
            body.Headers.ContentType = new MediaTypeHeaderValue("application/gzip");
            using var refused = await http.PostAsync("/api/v1/code", body, Ct);
            Assert.Equal(HttpStatusCode.InsufficientStorage, refused.StatusCode);
            Assert.Contains("data folder is full", await refused.Content.ReadAsStringAsync(Ct));
            Assert.Empty(Directory.GetFileSystemEntries(code));
            var (status, _) = await console.GetAsync("/api/v1/jobs", Ct);
            Assert.Equal(HttpStatusCode.OK, status);
        }
        finally
        {
            await Shell.RunAsync("umount", ["-l", code], Ct);
        }
    }
}
