using System.Formats.Tar;
using System.Text;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class CodeArchivesTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_plain_archive_passes()
    {
        var tar = CodeTars.Tar(
            CodeTars.Header("./", '5'),
            CodeTars.Header("./pkg/", '5'),
            CodeTars.File("./pkg/a.py", "print(1)\n"),
            CodeTars.File("deep/er/b.sh", "echo\n", 0x1ED)
        );
        var report = await InspectAsync(tar);
        Assert.Empty(report.Errors);
        // pkg, pkg/a.py, deep, deep/er, deep/er/b.sh
        Assert.Equal((5, 14L), (report.Entries, report.UnpackedBytes));
    }

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public async Task Every_common_format_is_rewritten_as_a_plain_tar(TarEntryFormat format)
    {
        var name = format is TarEntryFormat.Pax or TarEntryFormat.Gnu
            ? string.Concat(Enumerable.Repeat("väry-long-folder-name/", 12)) + "train.py"
            : "src/train.py";
        var at = new DateTimeOffset(2024, 5, 6, 7, 8, 9, TimeSpan.Zero);
        var plain = new MemoryStream();
        await using (var writer = new TarWriter(plain, format, leaveOpen: true))
        {
            var kind = format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile;
            TarEntry entry = format switch
            {
                TarEntryFormat.V7 => new V7TarEntry(kind, name),
                TarEntryFormat.Ustar => new UstarTarEntry(kind, name),
                TarEntryFormat.Pax => new PaxTarEntry(kind, name),
                _ => new GnuTarEntry(kind, name),
            };
            entry.ModificationTime = at;
            entry.Mode = UnixFileMode.UserRead | UnixFileMode.UserExecute;
            entry.DataStream = new MemoryStream("hello"u8.ToArray());
            await writer.WriteEntryAsync(entry, Ct);
        }
        var written = new MemoryStream();
        await CodeArchives.WriteTarAsync(CodeTars.Gzip(plain.ToArray()), written, CodeLimits.Default, Ct);
        written.Position = 0;
        await using var reader = new TarReader(written);
        var folders = new List<string>();
        while (await reader.GetNextEntryAsync(copyData: true, Ct) is { } entry)
        {
            Assert.Equal((1000, 1000), (entry.Uid, entry.Gid));
            Assert.Equal(0x1ED, (int)entry.Mode);
            if (entry.EntryType == TarEntryType.Directory)
            {
                folders.Add(entry.Name);
                continue;
            }
            Assert.Equal("workspace/" + name, entry.Name);
            Assert.Equal(at, entry.ModificationTime);
            Assert.Equal("hello", await new StreamReader(entry.DataStream!).ReadToEndAsync(Ct));
        }
        Assert.Equal("workspace/", folders[0]);
        Assert.Equal(name.Count(c => c == '/') + 1, folders.Count);
    }

    [Theory]
    [InlineData("../evil", "..")]
    [InlineData("a/../../evil", "..")]
    [InlineData("/etc/passwd", "absolute")]
    [InlineData("a\\b", "backslash")]
    [InlineData("a\u0007b", "control character")]
    public async Task Names_that_lead_astray_are_refused(string name, string word)
    {
        var error = Assert.Single((await InspectAsync(CodeTars.Tar(CodeTars.File(name, "x")))).Errors);
        Assert.Equal("code", error.Path);
        Assert.Contains(word, error.Message);
        Assert.DoesNotContain('\u0007', error.Message);
    }

    [Theory]
    [InlineData('1', "hard link")]
    [InlineData('2', "symbolic link")]
    [InlineData('3', "device")]
    [InlineData('4', "device")]
    [InlineData('6', "pipe")]
    [InlineData('S', "sparse")]
    [InlineData('V', "neither")]
    public async Task Whatever_is_no_file_or_folder_is_refused(char kind, string word)
    {
        var report = await InspectAsync(CodeTars.Tar(CodeTars.Header("x", kind, link: "/etc/passwd")));
        Assert.Contains(word, Assert.Single(report.Errors).Message);
    }

    [Fact]
    public async Task Every_kind_of_error_is_told_at_once()
    {
        var links = Enumerable.Range(0, 1000).Select(i => CodeTars.Header($"link{i}", '2', link: "x"));
        var report = await InspectAsync(
            CodeTars.Tar([.. links, CodeTars.File("../a", "x"), CodeTars.File("/b", "x"), CodeTars.Header("c", '3')])
        );
        Assert.InRange(report.Errors.Count, 4, 20);
        foreach (var word in new[] { "symbolic", "\"..\"", "absolute", "device" })
        {
            Assert.Contains(report.Errors, e => e.Message.Contains(word));
        }
    }

    [Theory]
    [InlineData(255, 1, true)]
    [InlineData(256, 1, false)]
    [InlineData(100, 10, true)]
    [InlineData(100, 11, false)]
    [InlineData(1, 64, true)]
    [InlineData(1, 65, false)]
    public async Task Long_names_are_refused(int length, int segments, bool passes)
    {
        var name = string.Join('/', Enumerable.Repeat(new string('n', length), segments));
        var longName = CodeTars.Entry("././@LongLink", 'L', Encoding.UTF8.GetBytes(name + "\0"));
        var report = await InspectAsync(CodeTars.Tar(longName, CodeTars.File("cut", "x")));
        Assert.Equal(passes, report.Errors.Count == 0);
    }

    [Fact]
    public async Task A_pax_record_cannot_smuggle_a_name()
    {
        foreach (var name in new[] { "../../evil", "a\nb", "/root" })
        {
            var body = $" path={name}\n";
            var length = body.Length + 2;
            var report = await InspectAsync(
                CodeTars.Tar(
                    CodeTars.Entry("pax", 'x', Encoding.UTF8.GetBytes(length + body)),
                    CodeTars.File("good", "x")
                )
            );
            Assert.Single(report.Errors);
        }
    }

    [Fact]
    public async Task A_file_cannot_be_a_folder_as_well()
    {
        var report = await InspectAsync(CodeTars.Tar(CodeTars.File("a", "x"), CodeTars.File("a/b", "x")));
        Assert.Contains("at once", Assert.Single(report.Errors).Message);
    }

    [Fact]
    public async Task What_is_no_tar_gz_is_refused()
    {
        byte[] plainTar = [.. CodeTars.File("a", "x"), .. new byte[1024]];
        var whole = CodeTars.Tar(CodeTars.File("a", new string('x', 100_000))).ToArray();
        byte[] flipped = [.. whole];
        flipped[^5] ^= 0xFF;
        var damaged = CodeTars.Header("a");
        damaged[0] ^= 1;
        foreach (
            var stream in new[]
            {
                new MemoryStream(),
                new MemoryStream(plainTar),
                new MemoryStream("PK\u0003\u0004 a zip"u8.ToArray()),
                new MemoryStream(whole[..(whole.Length / 2)]),
                // Cut where an entry ends: only the missing end of the tar tells
                CodeTars.Gzip(CodeTars.File("a", "x")),
                new MemoryStream(flipped),
                CodeTars.Gzip("no tar at all, but long enough"u8.ToArray()),
                CodeTars.Tar(damaged),
                CodeTars.Gzip(CodeTars.Header("a", size: 5000), new byte[512]),
                CodeTars.Tar(),
            }
        )
        {
            var report = await InspectAsync(stream);
            Assert.Equal("code", Assert.Single(report.Errors).Path);
            await Assert.ThrowsAsync<InvalidDataException>(() =>
            {
                stream.Position = 0;
                return CodeArchives.WriteTarAsync(stream, Stream.Null, CodeLimits.Default, Ct);
            });
        }
    }

    private static Task<CodeReport> InspectAsync(Stream targz) =>
        CodeArchives.InspectAsync(targz, CodeLimits.Default, Ct);
}
