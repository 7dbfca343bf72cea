using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

/// <summary>Which files are checkpoints, as the frameworks lay them out, and which of those are whole.</summary>
public sealed class CheckpointLayoutsTests
{
    private static readonly DateTimeOffset s_noon = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static CheckpointFile File(
        string path,
        int minute = 0,
        long bytes = 100,
        CheckpointSeal seal = CheckpointSeal.None
    ) => new(path, bytes, s_noon.AddMinutes(minute), seal);

    private static IReadOnlyList<FoundCheckpoint> Find(params CheckpointFile[] files) =>
        CheckpointLayouts.Find(files, null);

    [Theory]
    [InlineData("step-000500.pt", 500L)]
    [InlineData("model_1200.pth", 1200L)]
    [InlineData("run/epoch_3_step_77.pt", 77L)]
    [InlineData("resnet50-9.pt", 9L)]
    [InlineData("best.pt", null)]
    [InlineData("step-99999999999999999999.pt", 999999999999999999)]
    public void Pytorch_files_tell_their_step(string path, long? step)
    {
        var found = Assert.Single(Find(File(path)));
        Assert.Equal((path, CheckpointLayout.PyTorch, step), (found.Path, found.Layout, found.Step));
    }

    [Theory]
    [InlineData("lightning_logs/version_0/checkpoints/epoch=3-step=1200.ckpt", 1200)]
    [InlineData("epoch=3-step=1200-v1.ckpt", 1200)]
    [InlineData("last.ckpt", null)]
    public void Lightning_files_tell_their_step(string path, int? step)
    {
        var found = Assert.Single(Find(File(path)));
        Assert.Equal((CheckpointLayout.Lightning, (long?)step), (found.Layout, found.Step));
    }

    [Fact]
    public void A_zip_tells_by_its_end_whether_it_is_whole()
    {
        CheckpointSeal SealOf(CheckpointSeal seal, long bytes = 9) =>
            Assert.Single(Find(File("step-1.pt", 0, bytes, seal))).Seal;
        Assert.Equal(CheckpointSeal.Whole, SealOf(CheckpointSeal.Whole));
        Assert.Equal(CheckpointSeal.Broken, SealOf(CheckpointSeal.Broken));
        Assert.Equal(CheckpointSeal.None, SealOf(CheckpointSeal.None));
        Assert.Equal(CheckpointSeal.Broken, SealOf(CheckpointSeal.None, bytes: 0));
    }

    [Fact]
    public void A_checkpoint_of_tensorflow_is_its_index_with_all_shards()
    {
        var found = Find(
            File("checkpoint"),
            File("model.ckpt-100.index", 1),
            File("model.ckpt-100.data-00000-of-00002", 0, 10),
            File("model.ckpt-100.data-00001-of-00002", 0, 20),
            File("model.ckpt-200.index"),
            File("model.ckpt-200.data-00000-of-00002"),
            File("model.ckpt-300.data-00000-of-00001"),
            File("model.ckpt-400_temp/part-00000-of-00001.data-00000-of-00001")
        );
        Assert.Equal(
            [
                ("model.ckpt-100", 100L, 3, CheckpointSeal.Whole),
                ("model.ckpt-200", 200L, 2, CheckpointSeal.Broken),
                ("model.ckpt-300", 300L, 1, CheckpointSeal.Broken),
            ],
            found.Select(f => (f.Path, f.Step!.Value, f.Files, f.Seal))
        );
        Assert.Equal((130, s_noon.AddMinutes(1)), (found[0].Bytes, found[0].WrittenAt));
        Assert.All(found, f => Assert.Equal(CheckpointLayout.TensorFlow, f.Layout));
    }

    [Fact]
    public void A_folder_of_hugging_face_is_whole_with_its_trainers_state()
    {
        var found = Find(
            File("out/checkpoint-500/model.safetensors"),
            File("out/checkpoint-500/trainer_state.json"),
            File("out/checkpoint-500/global_step500/rank_0.pt"),
            File("out/checkpoint-1000/model.safetensors"),
            File("out/checkpoint-1500/model.safetensors"),
            File("out/checkpoint-1500/optimizer.pt", 0, 9, CheckpointSeal.Broken),
            File("out/checkpoint-1500/trainer_state.json"),
            File("out/tmp-checkpoint-2000/model.safetensors")
        );
        Assert.Equal(
            [
                ("out/checkpoint-500", 500L, CheckpointSeal.Whole),
                ("out/checkpoint-1000", 1000L, CheckpointSeal.Broken),
                ("out/checkpoint-1500", 1500L, CheckpointSeal.Broken),
            ],
            found.Select(f => (f.Path, f.Step!.Value, f.Seal))
        );
    }

    [Theory]
    [InlineData("step-1.pt.17.unfinished")]
    [InlineData(".step-1.pt")]
    [InlineData(".hidden/step-1.pt")]
    [InlineData("step-1.tmp.pt")]
    [InlineData("step-1.pt.tmp")]
    [InlineData("notes.txt")]
    [InlineData("events.out.tfevents.1")]
    public void Files_on_their_way_and_other_files_are_none(string path) => Assert.Empty(Find(File(path)));

    [Fact]
    public void A_pattern_names_files_or_whole_folders_and_nothing_else()
    {
        CheckpointFile[] files =
        [
            File("step-1.pt"),
            File("weights/at-3.bin"),
            File("weights/at-3.bin.tmp"),
            File("weights/at-4/a.bin"),
            File("weights/at-4/b.bin"),
        ];
        Assert.Equal(
            [("weights/at-3.bin", 3L, 1), ("weights/at-4", 4L, 2)],
            CheckpointLayouts.Find(files, "weights/at-*").Select(f => (f.Path, f.Step!.Value, f.Files))
        );
        Assert.Empty(CheckpointLayouts.Find(files, "at-*"));
        Assert.Equal(3, CheckpointLayouts.Find(files, "**.bin").Count);
    }

    [Fact]
    public void Those_with_a_step_come_by_step_and_after_those_without()
    {
        var found = Find(File("b-20.pt", 1), File("a-100.pt", 0), File("last.ckpt", 9), File("best.pt", 5));
        Assert.Equal(["best.pt", "last.ckpt", "b-20.pt", "a-100.pt"], found.Select(f => f.Path));
    }

    [Fact]
    public void A_pattern_takes_time_that_is_linear_in_the_path()
    {
        var hostile = new CheckpointGlob(string.Concat(Enumerable.Repeat("*a", 99)));
        Assert.False(hostile.Matches(new string('a', 1000) + "b"));
    }
}
