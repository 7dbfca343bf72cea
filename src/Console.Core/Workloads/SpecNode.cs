using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DeepLab.Core.Workloads;

/// <summary>One JSON value and where it stands. Every reading method reports what is wrong and then answers null.</summary>
internal readonly partial record struct SpecNode(JsonElement Value, string Path, SpecErrors Errors)
{
    public string Kind =>
        Value.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => "text",
            JsonValueKind.Number => "a number",
            JsonValueKind.True or JsonValueKind.False => "true or false",
            _ => "null",
        };

    public void Fail(string message) => Errors.Add(Path, message);

    public SpecNode Child(string key, JsonElement value) => this with { Value = value, Path = Join(Path, key) };

    /// <summary>Members in order. A name that is there twice is reported once, and its first value stands.</summary>
    public List<(string Key, SpecNode Value)> Properties()
    {
        var all = new List<(string, SpecNode)>();
        var seen = new Dictionary<string, bool>();
        foreach (var p in Value.EnumerateObject())
        {
            string key;
            try
            {
                key = p.Name;
            }
            catch (InvalidOperationException)
            {
                Fail("A key is not valid Unicode text.");
                continue;
            }
            var child = Child(key, p.Value);
            if (seen.TryAdd(key, false))
            {
                all.Add((key, child));
            }
            else if (!seen[key])
            {
                seen[key] = true;
                child.Fail($"The key {SpecText.Quote(key)} is there more than once; once is allowed.");
            }
        }
        return all;
    }

    public SpecNode[]? Items(int least, int most)
    {
        if (Value.ValueKind != JsonValueKind.Array)
        {
            Fail($"This is {Kind}; a list is allowed.");
            return null;
        }
        var length = Value.GetArrayLength();
        if (length < least || length > most)
        {
            Fail($"The list has {length:N0} items; {least:N0} to {most:N0} are allowed.");
            return null;
        }
        var self = this;
        return [.. Value.EnumerateArray().Select((e, i) => self with { Value = e, Path = $"{self.Path}[{i}]" })];
    }

    /// <summary>Any text without NUL.</summary>
    /// <param name="most">bytes of UTF-8</param>
    public string? Text(int most)
    {
        if (Value.ValueKind != JsonValueKind.String)
        {
            Fail($"This is {Kind}; text is allowed.");
            return null;
        }
        string text;
        try
        {
            text = Value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            Fail("This is not valid Unicode text.");
            return null;
        }
        var bytes = Encoding.UTF8.GetByteCount(text);
        if (bytes > most)
        {
            Fail($"The text has {bytes:N0} bytes; at most {most:N0} are allowed.");
            return null;
        }
        if (text.Contains('\0'))
        {
            Fail("The text holds a NUL character; any other character is allowed.");
            return null;
        }
        return text;
    }

    /// <summary>Text of one line without control characters.</summary>
    public string? Line(int least, int most)
    {
        if (Text(most * 4) is not { } text)
        {
            return null;
        }
        if (text.Length < least || text.Length > most || text.Any(char.IsControl))
        {
            Fail(
                $"This is {SpecText.Quote(text)}; {least} to {most} characters without control characters are allowed."
            );
            return null;
        }
        return text;
    }

    public bool? Flag()
    {
        if (Value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return Value.GetBoolean();
        }
        Fail($"This is {Kind}; true or false is allowed.");
        return null;
    }

    public int? Whole(int least, int most)
    {
        if (Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var n) && n >= least && n <= most)
        {
            return n;
        }
        Fail($"This is {Shown()}; a whole number from {least:N0} to {most:N0} is allowed.");
        return null;
    }

    /// <summary>A number with at most two decimals.</summary>
    public double? Hundredths(double least, double most)
    {
        if (
            Value.ValueKind == JsonValueKind.Number
            && Value.TryGetDecimal(out var d)
            && d >= (decimal)least
            && d <= (decimal)most
            && decimal.Round(d, 2) == d
        )
        {
            return (double)d;
        }
        Fail($"This is {Shown()}; a number from {least} to {most:N0} with at most two decimals is allowed.");
        return null;
    }

    /// <summary>Bytes, as a whole number or as text with a unit.</summary>
    public long? Bytes(long least, long most)
    {
        long n;
        var read = Value.ValueKind switch
        {
            JsonValueKind.Number => Value.TryGetInt64(out n),
            JsonValueKind.String when Text(64) is { } text => Quantity.TryParse(text, out n),
            _ => (n = 0) != 0,
        };
        if (read && n >= least && n <= most)
        {
            return n;
        }
        Fail(
            $"This is {Shown()}; {Quantity.Format(least)} to {Quantity.Format(most)} is allowed, as a number of bytes or as text such as \"512MiB\" or \"2GiB\"."
        );
        return null;
    }

    /// <summary>Of a job or a cluster.</summary>
    public string? Name() =>
        Match(
            NamePattern(),
            "1 to 63 characters are allowed: small letters, digits, '-', '_' and '.', beginning with a letter or digit"
        );

    public string? RoleName() =>
        Match(RolePattern(), "1 to 31 characters are allowed: small letters, digits and '-', beginning with a letter");

    public string? Digest() =>
        Match(
            DigestPattern(),
            "\"sha256:\" and 64 hexadecimal digits in small letters are allowed, as the upload answered"
        );

    public string? Image()
    {
        if (Text(4096) is not { } text)
        {
            return null;
        }
        if (ImageReference.TryParse(text, out _, out var error))
        {
            return text;
        }
        Fail(error);
        return null;
    }

    public string? Script()
    {
        var text = Text(SpecReader.MaxScriptBytes);
        if (text is not null && string.IsNullOrWhiteSpace(text))
        {
            Fail("The script is empty; write one or leave it out.");
        }
        return text;
    }

    public ImmutableArray<string>? Command()
    {
        if (Value.ValueKind == JsonValueKind.String)
        {
            Fail("This is text; a list of arguments is allowed, such as [\"python3\", \"train.py\"].");
            return null;
        }
        if (Items(0, 256) is not { } items)
        {
            return null;
        }
        var argv = items.Select(i => i.Text(64 << 10)).ToList();
        if (argv.Contains(null))
        {
            return null;
        }
        var bytes = argv.Sum(a => (long)Encoding.UTF8.GetByteCount(a!));
        if (bytes > 64 << 10)
        {
            Fail($"The arguments have {bytes:N0} bytes together; at most {64 << 10:N0} are allowed.");
        }
        if (argv is ["", ..])
        {
            items[0].Fail("The program to run is empty; its name or path is needed.");
        }
        return [.. argv!];
    }

    /// <summary>`hh:mm:ss` or `d.hh:mm:ss`, one second to 365 days.</summary>
    public TimeSpan? Duration()
    {
        if (Text(64) is not { } text)
        {
            return null;
        }
        var m = DurationPattern().Match(text);
        if (m.Success)
        {
            int Part(string name) => m.Groups[name].ValueSpan is { Length: > 0 } s ? int.Parse(s) : 0;
            var span = new TimeSpan(Part("d"), Part("h"), Part("m"), Part("s"));
            if (span >= TimeSpan.FromSeconds(1) && span <= TimeSpan.FromDays(365))
            {
                return span;
            }
        }
        Fail(
            $"This is {SpecText.Quote(text)}; \"hh:mm:ss\" or \"d.hh:mm:ss\" from \"00:00:01\" to \"365.00:00:00\" is allowed."
        );
        return null;
    }

    private string? Match(Regex pattern, string allowed)
    {
        if (Text(4096) is not { } text)
        {
            return null;
        }
        if (pattern.IsMatch(text))
        {
            return text;
        }
        Fail($"This is {SpecText.Quote(text)}; {allowed}.");
        return null;
    }

    private string Shown()
    {
        if (Value.ValueKind is not (JsonValueKind.Number or JsonValueKind.String))
        {
            return Kind;
        }
        try
        {
            return Value.ValueKind == JsonValueKind.String
                ? SpecText.Quote(Value.GetString()!)
                : SpecText.Quote(Value.GetRawText()).Trim('"');
        }
        catch (InvalidOperationException)
        {
            return "text that is not valid Unicode";
        }
    }

    private static string Join(string path, string key)
    {
        if (!PlainKey().IsMatch(key))
        {
            return $"{path}[{SpecText.Quote(key)}]";
        }
        return path.Length == 0 ? key : $"{path}.{key}";
    }

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_-]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex PlainKey();

    [GeneratedRegex(@"^[a-z0-9][-a-z0-9_.]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,30}\z", RegexOptions.NonBacktracking)]
    private static partial Regex RolePattern();

    [GeneratedRegex(@"^sha256:[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex DigestPattern();

    [GeneratedRegex(
        @"^(?:(?<d>[0-9]{1,3})\.)?(?<h>[01][0-9]|2[0-3]):(?<m>[0-5][0-9]):(?<s>[0-5][0-9])\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture
    )]
    private static partial Regex DurationPattern();
}
