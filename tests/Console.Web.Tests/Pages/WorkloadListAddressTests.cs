using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared;

namespace DeepLab.Web.Tests.Pages;

public sealed class WorkloadListAddressTests
{
    [Fact]
    public void A_list_survives_its_address()
    {
        var address = WorkloadListAddress.From(" di&gits=1 ", "active", "anna b", null);

        Assert.Equal("/jobs?q=di%26gits%3D1&state=active&owner=anna%20b", address.ToUri("/jobs"));
        Assert.Equal(4, address.Filter.States.Count);
        Assert.Equal("di&gits=1", address.Filter.Search);
    }

    [Fact]
    public void Nothing_asked_is_everything()
    {
        var address = WorkloadListAddress.From("", " ", null, null);

        Assert.True(address.IsEverything);
        Assert.Equal("/jobs", address.ToUri("/jobs"));
        Assert.Empty(address.Filter.States);
    }

    [Theory]
    [InlineData("running,QUEUED", new[] { WorkloadState.Running, WorkloadState.Queued })]
    [InlineData("failed", new[] { WorkloadState.Failed })]
    [InlineData("nonsense, failed, 77, failed", new[] { WorkloadState.Failed })]
    public void States_are_read_as_people_type_them(string text, WorkloadState[] expected) =>
        Assert.Equal(expected, WorkloadListAddress.From(null, text, null, null).Filter.States);
}
