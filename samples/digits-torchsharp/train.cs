#!/usr/bin/env dotnet
#:package TorchSharp@0.107.0
#:package libtorch-cpu-linux-x64@2.10.0
#:property PublishAot=false
#:property InvariantGlobalization=true
// The classifier of ../digits in C#: curves, checkpoints, and a resume that computes the same losses to the last bit. An epoch's order
// follows from the seed and the epoch alone, and a checkpoint holds the net and the optimizer.
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var epochs = Option("--epochs", 20);
var batch = Option("--batch", 32);
var seed = Option("--seed", 0);
var every = int.Parse(Variable("DEEPLAB_CHECKPOINT_EVERY") ?? "100");
var folder = Variable("DEEPLAB_CHECKPOINT_DIR");
set_num_threads(int.Parse(Variable("OMP_NUM_THREADS") ?? "1"));
random.manual_seed(seed);
using var stop = new CancellationTokenSource();
using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => { signal.Cancel = true; stop.Cancel(); });

var (images, digits) = LoadDigits("/opt/deeplab/data/digits.csv.gz");
const int Learned = 1437; // of 1797: four fifths
var (testImages, testDigits) = (images[TensorIndex.Slice(Learned)], digits[TensorIndex.Slice(Learned)]);
using var net = Sequential(
    ("conv1", Conv2d(1, 32, 3, padding: 1)), ("relu1", ReLU()),
    ("conv2", Conv2d(32, 64, 3, padding: 1)), ("relu2", ReLU()), ("pool", MaxPool2d(2)),
    ("flat", Flatten()), ("hidden", Linear(64 * 4 * 4, 128)), ("relu3", ReLU()), ("out", Linear(128, 10)));
using var optimizer = optim.Adam(net.parameters(), lr: 1e-3);
var (stepsPerEpoch, step) = (Learned / batch, 0);
var total = epochs * stepsPerEpoch;
if (ResumeFrom() is { } path)
{
    step = Load(path);
    Console.WriteLine($"resumed from {path} at step {step}");
}
Console.WriteLine($"libtorch {__version__}: {Learned} digits, {total} steps of {batch}");

var curves = torch.utils.tensorboard.SummaryWriter(Variable("DEEPLAB_LOG_DIR") ?? "runs", createRunName: false);
var (begun, accuracy, losses) = (Stopwatch.StartNew(), Test().Accuracy, new List<float>());
while (step < total && !stop.IsCancellationRequested)
{
    var (epoch, at) = (step / stepsPerEpoch, step % stepsPerEpoch);
    var loss = Learn(Order(epoch)[(at * batch)..((at + 1) * batch)]);
    step++;
    losses.Add(loss);
    curves.add_scalar("train/loss", loss, step);
    if (at + 1 == stepsPerEpoch)
    {
        (var testLoss, accuracy) = Test();
        curves.add_scalar("test/loss", testLoss, step);
        curves.add_scalar("test/accuracy", accuracy, step);
        Console.WriteLine($"epoch {epoch + 1,3}/{epochs}  loss {losses.Average():F4}  test loss {testLoss:F4}  accuracy {accuracy:F4}  {begun.Elapsed.TotalSeconds,5:F1} s");
        losses.Clear();
    }
    if (folder is not null && (step % every == 0 || step == total || stop.IsCancellationRequested))
    {
        Save();
    }
}
if (step < total)
{
    Console.WriteLine($"stopped by SIGTERM at step {step}");
    return 128 + 15;
}
Console.WriteLine($"done: accuracy {accuracy:F4} after {step} steps, weights {Fingerprint()}");
return 0;

int Option(string name, int otherwise) => Array.IndexOf(args, name) is >= 0 and var i ? int.Parse(args[i + 1]) : otherwise;

static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

// Images of 8x8 with values 0..1 and their digits, shuffled once and for all
static (Tensor Images, Tensor Digits) LoadDigits(string path)
{
    using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
    var rows = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => Array.ConvertAll(l.Split(','), float.Parse)).ToArray();
    new Random(42).Shuffle(rows);
    return (tensor(rows.SelectMany(r => r[..64]).ToArray()).reshape(-1, 1, 8, 8) / 16, tensor(rows.Select(r => (long)r[64]).ToArray()));
}

long[] Order(int epoch)
{
    var order = Enumerable.Range(0, Learned).Select(i => (long)i).ToArray();
    new Random(seed * 100003 + epoch).Shuffle(order);
    return order;
}

float Learn(long[] chosen)
{
    using var scope = NewDisposeScope();
    var indices = tensor(chosen);
    net.train();
    optimizer.zero_grad();
    var loss = functional.cross_entropy(net.forward(images[indices]), digits[indices]);
    loss.backward();
    optimizer.step();
    return loss.item<float>();
}

(float Loss, float Accuracy) Test()
{
    using var scope = NewDisposeScope();
    using var _ = no_grad();
    net.eval();
    var scores = net.forward(testImages);
    return (functional.cross_entropy(scores, testDigits).item<float>(), scores.argmax(1).eq(testDigits).to_type(ScalarType.Float32).mean().item<float>());
}

// What was asked for, else the newest of its own. The end of the name is the step.
string? ResumeFrom() =>
    Variable("DEEPLAB_RESUME_FROM")
    ?? (Directory.Exists(folder) ? Directory.GetFiles(folder, "step-*.zip").Max(StringComparer.Ordinal) : null);

// A zip, whose last bytes tell the console that it is whole; in place at once, so that a kill leaves the one before
void Save()
{
    Directory.CreateDirectory(folder!);
    var path = Path.Combine(folder!, $"step-{step:D6}.zip");
    using (var file = File.Create(path + ".unfinished"))
    {
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            using (var writer = new BinaryWriter(zip.CreateEntry("net").Open()))
            {
                net.save(writer);
            }
            using (var writer = new BinaryWriter(zip.CreateEntry("optimizer").Open()))
            {
                optimizer.save_state_dict(writer);
            }
        }
        file.Flush(flushToDisk: true);
    }
    File.Move(path + ".unfinished", path, overwrite: true);
}

int Load(string path)
{
    using var zip = ZipFile.OpenRead(path);
    net.load(new BinaryReader(zip.GetEntry("net")!.Open()));
    optimizer.load_state_dict(new BinaryReader(zip.GetEntry("optimizer")!.Open()));
    return int.Parse(Path.GetFileNameWithoutExtension(path)["step-".Length..]);
}

// The same weights to the last bit give the same eight digits
string Fingerprint() => Convert.ToHexStringLower(SHA256.HashData(net.parameters().SelectMany(p => p.data<float>().SelectMany(BitConverter.GetBytes)).ToArray()))[..8];
