using System.Diagnostics;
using System.IO.Compression;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

/// <summary>Allocations are counted for the whole process, so nothing else may run.</summary>
[CollectionDefinition(nameof(CodeBombTests), DisableParallelization = true)]
public sealed class CodeBombCollection;

/// <summary>Archives that would take all memory, disk or time of whoever believed them.</summary>
[Collection(nameof(CodeBombTests))]
public sealed class CodeBombTests(ITestOutputHelper output)
{
    /// <summary>Bytes that one inspection may allocate in all, however often the collector runs.</summary>
    private const long Allowance = 64L << 20;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_bomb_of_1000_to_1_is_refused_at_the_limit()
    {
        const long size = 1L << 30;
        await using var bomb = Bomb([CodeTars.Header("zeros", size: size)], size);
        var report = await MeasureAsync(bomb);
        Assert.Contains("512 MiB", Assert.Single(report.Errors).Message);
    }

    [Fact]
    public async Task A_bomb_behind_the_end_of_the_tar_is_refused()
    {
        await using var bomb = Bomb([CodeTars.File("a", "x"), new byte[1024]], 1L << 30);
        var report = await MeasureAsync(bomb);
        Assert.Contains("512 MiB", Assert.Single(report.Errors).Message);
    }

    [Fact]
    public async Task Files_that_only_together_are_too_large_are_refused_before_they_are_read()
    {
        var half = new byte[300 << 20];
        var report = await MeasureAsync(
            CodeTars.Gzip(CodeTars.Header("a", size: half.Length), half, CodeTars.Header("b", size: half.Length))
        );
        Assert.Contains("512 MiB", Assert.Single(report.Errors).Message);
    }

    [Theory]
    [InlineData('0')]
    [InlineData('2')]
    public async Task A_million_entries_are_refused_at_the_limit(char kind)
    {
        var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            for (var i = 0; i < 1_000_000; i++)
            {
                gzip.Write(CodeTars.Header($"f{i}", kind));
            }
        }
        packed.Position = 0;
        var report = await MeasureAsync(packed);
        Assert.Contains("20,000", report.Errors[^1].Message);
        // Most of it was never looked at
        Assert.True(packed.Position < packed.Length / 10, $"read {packed.Position} of {packed.Length} bytes");
    }

    [Fact]
    public async Task Folders_that_are_only_named_count_too()
    {
        var names = Enumerable
            .Range(0, 1000)
            .Select(i => string.Join('/', Enumerable.Range(0, 30).Select(d => $"{i}")));
        var report = await MeasureAsync(CodeTars.Tar([.. names.Select(n => CodeTars.File(n, ""))]));
        Assert.Contains("20,000", Assert.Single(report.Errors).Message);
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MaxValue - 511)]
    [InlineData(-1)]
    [InlineData(1L << 40)]
    public async Task Sizes_that_lie_are_not_believed(long size)
    {
        foreach (var kind in "0xLg2")
        {
            var header = CodeTars.Header("a", kind);
            header.AsSpan(124, 12).Fill((byte)(size < 0 ? 0xFF : 0));
            header[124] |= 0x80;
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(128), size);
            var report = await MeasureAsync(CodeTars.Tar(CodeTars.Sealed(header)));
            Assert.NotEmpty(report.Errors);
        }
    }

    [Fact]
    public async Task More_than_is_allowed_compressed_is_not_read()
    {
        var noise = new byte[2 << 20];
        new Random(1).NextBytes(noise);
        var targz = CodeTars.Tar(CodeTars.Header("noise", size: noise.Length), noise);
        var report = await CodeArchives.InspectAsync(targz, new CodeLimits(1 << 20), Ct);
        Assert.Contains("1 MiB", Assert.Single(report.Errors).Message);
        Assert.True(targz.Position < 3 << 19);
    }

    private async Task<CodeReport> MeasureAsync(Stream targz)
    {
        var bytes = targz.CanSeek ? targz.Length : 0;
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var clock = Stopwatch.StartNew();
        var report = await CodeArchives.InspectAsync(targz, CodeLimits.Default, Ct);
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        output.WriteLine($"{bytes:N0} bytes packed: {clock.ElapsedMilliseconds} ms, {allocated:N0} bytes allocated");
        Assert.InRange(allocated, 0, Allowance);
        return report;
    }

    private static MemoryStream Bomb(byte[][] before, long zeros)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            foreach (var part in before)
            {
                gzip.Write(part);
            }
            var block = new byte[1 << 20];
            for (var written = 0L; written < zeros; written += block.Length)
            {
                gzip.Write(block);
            }
        }
        packed.Position = 0;
        return packed;
    }
}
