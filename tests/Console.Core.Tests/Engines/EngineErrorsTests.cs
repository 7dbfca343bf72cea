using System.Net;
using DeepLab.Core.Engines;

namespace DeepLab.Core.Tests.Engines;

/// <summary>The messages are what Docker 20.10 and 27 said.</summary>
public sealed class EngineErrorsTests
{
    [Theory]
    [InlineData(404, "No such image: deeplab/x:1", EngineErrorKind.ImageNotFound)]
    [InlineData(404, "manifest for deeplab/x:1 not found: manifest unknown", EngineErrorKind.ImageNotFound)]
    [InlineData(
        404,
        "pull access denied for x, repository does not exist or may require 'docker login'",
        EngineErrorKind.ImageNotFound
    )]
    [InlineData(404, "No such container: x", EngineErrorKind.NotFound)]
    [InlineData(
        409,
        "Conflict. The container name \"/x\" is already in use by container \"8c\". You have to remove it.",
        EngineErrorKind.NameTaken
    )]
    [InlineData(409, "Container 8c is not running", EngineErrorKind.Conflict)]
    [InlineData(
        400,
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"no-such\": executable file not found in $PATH: unknown",
        EngineErrorKind.CommandNotFound
    )]
    [InlineData(
        400,
        "OCI runtime create failed: unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory: unknown",
        EngineErrorKind.CommandNotFound
    )]
    [InlineData(
        400,
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/etc\": permission denied: unknown",
        EngineErrorKind.CommandNotExecutable
    )]
    [InlineData(
        400,
        "OCI runtime create failed: exec /app: exec format error: unknown",
        EngineErrorKind.CommandNotExecutable
    )]
    [InlineData(
        500,
        "could not select device driver \"nvidia\" with capabilities: [[gpu]]",
        EngineErrorKind.NoSuchDevice
    )]
    [InlineData(
        500,
        "nvidia-container-cli: device error: GPU-x: unknown device: unknown",
        EngineErrorKind.NoSuchDevice
    )]
    [InlineData(500, "mkdir /var/lib/docker/overlay2/x: no space left on device", EngineErrorKind.DiskFull)]
    [InlineData(
        500,
        "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded",
        EngineErrorKind.NetworkNotReady
    )]
    [InlineData(400, "invalid restart policy", EngineErrorKind.BadRequest)]
    [InlineData(500, "something else", EngineErrorKind.Other)]
    public void The_kind_follows_status_and_message(int status, string message, EngineErrorKind kind)
    {
        var body = System.Text.Json.JsonSerializer.Serialize(new { message });
        var e = EngineErrors.FromAnswer((HttpStatusCode)status, body);
        Assert.Equal(kind, e.Kind);
        Assert.Equal(message, e.Message);
    }

    [Theory]
    [InlineData(404, "network dl-1-net-1 not found", true)]
    [InlineData(404, "No such container: network", false)]
    [InlineData(500, "network dl-1-net-1 not found", false)]
    public void A_start_that_misses_its_network_is_told_from_others(int status, string message, bool onItsWay)
    {
        var body = System.Text.Json.JsonSerializer.Serialize(new { message });
        Assert.Equal(onItsWay, EngineErrors.IsNetworkOnItsWay(EngineErrors.FromAnswer((HttpStatusCode)status, body)));
    }

    [Fact]
    public void An_answer_that_is_not_json_is_kept_as_it_is()
    {
        Assert.Equal(
            "<html>bad gateway</html>",
            EngineErrors.FromAnswer(HttpStatusCode.BadGateway, "<html>bad gateway</html>\n").Message
        );
    }

    [Theory]
    [InlineData("repo/x", "repo/x", "latest")]
    [InlineData("repo/x:1.2", "repo/x", "1.2")]
    [InlineData("registry:5000/x", "registry:5000/x", "latest")]
    [InlineData("x@sha256:ab", "x@sha256:ab", "")]
    public void A_reference_without_a_tag_pulls_one_tag_and_not_all(string reference, string name, string tag) =>
        Assert.Equal((name, tag), ImagePulls.Split(reference));

    [Theory]
    [InlineData("registry:5000/x:2", "registry:5000/x@sha256:1")]
    [InlineData("python:3", "python@sha256:2")]
    [InlineData("docker.io/library/python", "python@sha256:2")]
    [InlineData("other/x:1", null)]
    public void An_image_is_pinned_by_the_digest_of_its_own_name(string reference, string? pinned) =>
        Assert.Equal(pinned, ImagePulls.Pinned(reference, ["registry:5000/x@sha256:1", "python@sha256:2"]));
}
