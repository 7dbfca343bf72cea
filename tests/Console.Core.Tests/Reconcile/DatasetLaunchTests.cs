using System.Text;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Volumes;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class DatasetLaunchTests
{
    private static readonly DatasetMount s_mount = new("my.digits-2", 3, "/data")
    {
        Volume = "shared",
        Folder = "a/b",
        Split = true,
    };

    private static JobSpec Spec(bool final, params DatasetMount[] datasets) =>
        new()
        {
            Name = "a",
            Image = "base",
            Roles = [new RoleSpec { Name = "worker" }],
            Datasets = [.. datasets],
            Final = final,
        };

    [Fact]
    public void A_program_finds_files_and_lists_by_variables()
    {
        var env = new Dictionary<string, string>();
        DatasetLaunch.SetEnv(env, Spec(true, s_mount, new DatasetMount("whole", 1, "/whole") { Volume = "v" }));
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["DEEPLAB_DATASET_MY_DIGITS_2"] = "/data/a/b",
                ["DEEPLAB_DATASET_MY_DIGITS_2_LISTS"] = "/tmp/deeplab/datasets/my.digits-2",
                ["DEEPLAB_DATASET_WHOLE"] = "/whole",
                ["DEEPLAB_FINAL"] = "1",
            },
            env
        );
        env.Clear();
        DatasetLaunch.SetEnv(env, Spec(false));
        Assert.Empty(env);
    }

    [Theory]
    [InlineData(false, "train.txt validation.txt")]
    [InlineData(true, "train.txt validation.txt test.txt")]
    public void Only_a_final_run_gets_the_list_of_test_files(bool final, string names)
    {
        var split = new DatasetSplit(1, 40, 30, 30);
        DatasetFile[] files = [.. Enumerable.Range(0, 100).Select(i => new DatasetFile($"{i}", 1, ""))];
        var lists = DatasetLaunch.Lists(s_mount, split, files, final).ToArray();
        Assert.Equal(names.Split(' ').Select(n => $"/tmp/deeplab/datasets/my.digits-2/{n}"), lists.Select(l => l.Path));
        var told = lists.Select(l => Encoding.UTF8.GetString(l.Content!)).ToArray();
        Assert.Equal(
            files.Where(f => split.PartOf(f.Path) == DatasetPart.Train).Select(f => f.Path + "\n"),
            told[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l + "\n")
        );
        var all = told.SelectMany(t => t.Split('\n', StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Assert.Equal(
            files.Where(f => final || split.PartOf(f.Path) != DatasetPart.Test).Select(f => f.Path).Order(),
            all.Order()
        );
        var placed = DatasetLaunch.InFolders(lists);
        Assert.Equal(
            ["/tmp/deeplab", "/tmp/deeplab/datasets", "/tmp/deeplab/datasets/my.digits-2"],
            placed.Where(p => p.Content is null).Select(p => p.Path)
        );
    }
}
