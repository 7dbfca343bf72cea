using System.Text;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Workloads;

public sealed class CodeScriptTests
{
    [Theory]
    [InlineData("echo hi", "script.sh", "sh /workspace/script.sh")]
    [InlineData("#!", "script.sh", "sh /workspace/script.sh")]
    [InlineData("#!/bin/bash\necho hi", "script.sh", "/workspace/script.sh")]
    [InlineData("#!/usr/bin/env python3\nprint(1)", "script.py", "/workspace/script.py")]
    [InlineData("# python\necho hi", "script.sh", "sh /workspace/script.sh")]
    public void The_first_line_says_how_it_runs(string script, string name, string command)
    {
        var file = ScriptFile.From(script);
        Assert.Equal((name, command), (file.Name, string.Join(' ', file.Command)));
    }

    [Fact]
    public void A_form_s_line_ends_do_not_reach_the_interpreter()
    {
        var file = ScriptFile.From("#!/bin/sh\r\necho hi\r\n");
        Assert.Equal("#!/bin/sh\necho hi\n", Encoding.UTF8.GetString(file.Content.Span));
    }
}
