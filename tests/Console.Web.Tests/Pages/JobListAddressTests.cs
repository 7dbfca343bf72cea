using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Pages.Jobs;

namespace DeepLab.Web.Tests.Pages;

public sealed class JobListAddressTests
{
    [Fact]
    public void A_list_survives_its_address()
    {
        var address = JobListAddress.From(" di&gits=1 ", "active", "anna b", null);

        Assert.Equal("/jobs?q=di%26gits%3D1&state=active&owner=anna%20b", address.ToUri());
        Assert.Equal(4, address.Filter.States.Count);
        Assert.Equal("di&gits=1", address.Filter.Search);
    }

    [Fact]
    public void Nothing_asked_is_everything()
    {
        var address = JobListAddress.From("", " ", null, null);

        Assert.True(address.IsEverything);
        Assert.Equal("/jobs", address.ToUri());
        Assert.Empty(address.Filter.States);
    }

    [Theory]
    [InlineData("running,QUEUED", new[] { WorkloadState.Running, WorkloadState.Queued })]
    [InlineData("failed", new[] { WorkloadState.Failed })]
    [InlineData("nonsense, failed, 77, failed", new[] { WorkloadState.Failed })]
    public void States_are_read_as_people_type_them(string text, WorkloadState[] expected) =>
        Assert.Equal(expected, JobListAddress.From(null, text, null, null).Filter.States);
}
