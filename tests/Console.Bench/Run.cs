using System.Globalization;

namespace DeepLab.Bench;

/// <summary>The work came out wrong, or cannot be done here: there is nothing to time.</summary>
internal sealed class BenchException(string message) : Exception(message)
{
    public static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new BenchException(otherwise);
        }
    }
}

/// <summary>One benchmark of one day.</summary>
internal sealed record Run(string Name, Options Options, Report Report)
{
    public void Say(string line) => Report.Say(line);
}

/// <summary>`--name value` pairs of the command line.</summary>
internal sealed class Options(IReadOnlyDictionary<string, string> values)
{
    public int Number(string name, int fallback, int least = 1)
    {
        if (!values.TryGetValue(name, out var text))
        {
            return fallback;
        }
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least
            ? n
            : throw new BenchException($"--{name} is \"{text}\"; a whole number of at least {least} is allowed");
    }

    public string? Text(string name) => values.GetValueOrDefault(name);

    public static Options Parse(ReadOnlySpan<string> args)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < args.Length; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == args.Length)
            {
                throw new BenchException($"\"{args[i]}\" is no option with a value; for example --rounds 5");
            }
            values[args[i][2..]] = args[i + 1];
        }
        return new Options(values);
    }
}

/// <summary>What the environment gives every benchmark.</summary>
internal static class Setting
{
    /// <summary>A connection string with the right to create databases.</summary>
    public static string Database => Need("DEEPLAB_TEST_DB");

    /// <summary>The engine's address.</summary>
    public static string Engine => Need("DEEPLAB_TEST_DOCKER");

    /// <summary>The console's program, as `./lab up` would start it.</summary>
    public static string Console => Need("DEEPLAB_BENCH_CONSOLE");

    /// <summary>Folder of the results.</summary>
    public static string Out =>
        Environment.GetEnvironmentVariable("DEEPLAB_BENCH_OUT") is { Length: > 0 } chosen ? chosen
        : Environment.GetEnvironmentVariable("DEEPLAB_DATA") is { Length: > 0 } data ? Path.Combine(data, "bench")
        : Path.Combine(Path.GetTempPath(), "deeplab-bench");

    private static string Need(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
            ? value
            : throw new BenchException($"{name} is not set; ./lab bench sets it");
}
