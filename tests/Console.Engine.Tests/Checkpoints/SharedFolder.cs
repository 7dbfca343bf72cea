using DeepLab.Core.Operations;
using DeepLab.Core.Operations.Data;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Engine.Tests.Checkpoints;

/// <summary>A folder of this machine as a volume of the lab: the fleet's hosts are all on it, so that they share it.</summary>
internal sealed class SharedFolder : IDisposable
{
    public const string Volume = "kept";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("deeplab-shared-");

    private SharedFolder() => File.SetUnixFileMode(_folder.FullName, (UnixFileMode)0b111_111_111);

    public static async Task<SharedFolder> AddAsync(ConsoleHarness console, CancellationToken ct)
    {
        var shared = new SharedFolder();
        Assert.IsType<Outcome<string>.Done>(
            await console
                .Services.GetRequiredService<VolumeVerbs>()
                .CreateAsync(ConsoleHarness.Admin, new VolumeInput(Volume, shared._folder.FullName), ct)
        );
        return shared;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
