using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>One metric that a line of a log told.</summary>
public readonly record struct LogNumber(string Name, long Step, double Value);

/// <summary>
/// Finds metrics in lines of a log. A group `name` with a group `value` is a metric of that name; any other named group is
/// one of the group's name; a group `step`, in whichever pattern, is the step of the line. Linear in the line's length,
/// whatever the pattern.
/// </summary>
public sealed partial class LogPatterns
{
    public const int MostPatterns = 8;
    public const int LongestPattern = 400;

    /// <summary>Characters of a line that are looked at.</summary>
    public const int LongestLine = 4096;

    /// <summary>Characters of a metric's name.</summary>
    public const int LongestName = 256;

    /// <summary>Numbers that are taken of one line.</summary>
    public const int MostOfLine = 100;

    /// <summary>`loss=0.25`, `acc=9.1e-1`; `step=7` among them is the step.</summary>
    public const string NameAndValue =
        @"(?:^|[\s,;(\[{|])(?<name>[A-Za-z_][\w./-]{0,63})=(?<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|-?inf)";

    /// <summary>What all counted repeats of a pattern may come to: each is unrolled.</summary>
    private const long MostRepeats = 1_000;
    private const string Name = "name";
    private const string Value = "value";
    private const string Step = "step";

    // Bounds what the engine itself could do; the automaton needs microseconds for a line
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(250);
    private readonly ImmutableArray<Pattern> _patterns;

    /// <param name="patterns">none = <see cref="NameAndValue"/></param>
    /// <exception cref="ArgumentException">A pattern has a fault that <see cref="WhyNot"/> tells.</exception>
    public LogPatterns(IReadOnlyList<string> patterns) =>
        _patterns = [.. (patterns.Count == 0 ? [NameAndValue] : patterns).Select(p => new Pattern(Compile(p)))];

    /// <summary>What is wrong with a pattern, as a sentence; null where it can be used.</summary>
    public static string? WhyNot(string pattern)
    {
        long repeats = 1;
        foreach (Match repeat in Repeats().Matches(pattern))
        {
            var greatest = repeat.Groups["greatest"].Length > 0 ? repeat.Groups["greatest"] : repeat.Groups["least"];
            repeats = Math.Min(
                MostRepeats + 1,
                repeats
                    * (
                        greatest.Length > 4
                            ? MostRepeats + 1
                            : Math.Max(1, long.Parse(greatest.ValueSpan, CultureInfo.InvariantCulture))
                    )
            );
        }
        if (repeats > MostRepeats)
        {
            return $"Repeats such as {{n}} come to more than {MostRepeats:N0} together; write * or + instead.";
        }
        try
        {
            var names = new Pattern(Compile(pattern));
            return names.Tags.Length > 0 || names.HasName && names.HasValue ? null
                : names.HasName || names.HasValue ? "A group \"name\" needs a group \"value\", and the other way round."
                : names.HasStep ? null
                : "No group is named: write (?<loss>…), or (?<name>…) and (?<value>…).";
        }
        catch (ArgumentException e)
        {
            return $"This is no regular expression: {e.Message}";
        }
        catch (NotSupportedException)
        {
            return "Lookarounds, backreferences and atomic groups are not allowed: each line is read once, from left to right.";
        }
    }

    /// <summary>Adds what the line says; one without a step has the line's own number.</summary>
    /// <param name="number">of the line in its log</param>
    public void Read(string text, long number, List<LogNumber> into)
    {
        var line = text.Length > LongestLine ? text[..LongestLine] : text;
        var first = into.Count;
        long? step = null;
        foreach (var pattern in _patterns)
        {
            try
            {
                for (var m = pattern.Regex.Match(line); m.Success && into.Count - first < MostOfLine; m = m.NextMatch())
                {
                    if (!pattern.IsPlain || IsWhole(line, m.Index + m.Length))
                    {
                        var said = Take(pattern, m, number, into);
                        step ??= said;
                    }
                }
            }
            catch (RegexMatchTimeoutException)
            {
                // What was found before stays
            }
        }
        if (step is { } at)
        {
            for (var i = first; i < into.Count; i++)
            {
                into[i] = into[i] with { Step = at };
            }
        }
    }

    private static long? Take(Pattern pattern, Match match, long number, List<LogNumber> into)
    {
        long? step = pattern.HasStep && match.Groups[Step] is { Success: true } s ? StepOf(s.ValueSpan) : null;
        if (pattern is { HasName: true, HasValue: true } && match.Groups[Name] is { Success: true } name)
        {
            var value = match.Groups[Value];
            if (name.ValueSpan.Equals(Step, StringComparison.OrdinalIgnoreCase))
            {
                step ??= StepOf(value.ValueSpan);
            }
            else if (ValueOf(value) is { } v && IsName(name.ValueSpan))
            {
                into.Add(new LogNumber(name.Value, number, v));
            }
        }
        foreach (var tag in pattern.Tags)
        {
            if (ValueOf(match.Groups[tag]) is { } v)
            {
                into.Add(new LogNumber(tag, number, v));
            }
        }
        return step;
    }

    /// <summary>Not the beginning of an address, a time of day, or a number with its unit.</summary>
    private static bool IsWhole(string line, int end) =>
        end == line.Length
        || !(char.IsLetterOrDigit(line[end]) || line[end] is '_' or ':')
            && !(line[end] == '.' && end + 1 < line.Length && char.IsLetterOrDigit(line[end + 1]));

    private static bool IsName(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > LongestName)
        {
            return false;
        }
        foreach (var c in name)
        {
            if (char.IsControl(c) || char.IsSurrogate(c))
            {
                return false;
            }
        }
        return true;
    }

    private static long? StepOf(ReadOnlySpan<char> text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var step) ? step : null;

    private static double? ValueOf(Group group) =>
        !group.Success ? null
        : double.TryParse(group.ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value
        : group.ValueSpan.Equals("inf", StringComparison.OrdinalIgnoreCase) ? double.PositiveInfinity
        : group.ValueSpan.Equals("-inf", StringComparison.OrdinalIgnoreCase) ? double.NegativeInfinity
        : null;

    private static Regex Compile(string pattern) =>
        new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, s_longest);

    [GeneratedRegex(@"\{(?<least>\d+)(,(?<greatest>\d*))?\}", RegexOptions.ExplicitCapture, 250)]
    private static partial Regex Repeats();

    private sealed class Pattern
    {
        private static readonly string[] s_known = [Name, Value, Step];

        public Pattern(Regex regex)
        {
            string[] names = [.. regex.GetGroupNames().Where(n => !char.IsAsciiDigit(n[0]))];
            Regex = regex;
            IsPlain = regex.ToString() == NameAndValue;
            (HasName, HasValue, HasStep) = (names.Contains(Name), names.Contains(Value), names.Contains(Step));
            Tags = [.. names.Except(s_known)];
        }

        public Regex Regex { get; }
        public bool IsPlain { get; }
        public bool HasName { get; }
        public bool HasValue { get; }
        public bool HasStep { get; }

        /// <summary>Groups that are metrics of their own names.</summary>
        public string[] Tags { get; }
    }
}
