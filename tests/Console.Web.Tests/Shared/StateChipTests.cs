using Bunit;
using DeepLab.Core.Clusters;
using DeepLab.Core.Workloads;
using DeepLab.Web.Components.Shared;
using DeepLab.Web.Wording;

namespace DeepLab.Web.Tests.Shared;

public sealed class StateChipTests : BunitContext
{
    public static TheoryData<WorkloadState> WorkloadStates => [.. Enum.GetValues<WorkloadState>()];

    [Theory]
    [MemberData(nameof(WorkloadStates))]
    public void Every_state_is_told_by_a_word_and_an_icon_of_its_own(WorkloadState state)
    {
        var chip = Render<StateChip>(p => p.Add(c => c.Look, StateLooks.Of(state)));

        Assert.Equal(state.ToString(), chip.Find(".chip").TextContent.Trim());
        Assert.Single(chip.FindAll("svg"));
    }

    [Fact]
    public void States_that_end_differently_do_not_share_an_icon()
    {
        WorkloadState[] ends =
        [
            WorkloadState.Succeeded,
            WorkloadState.Failed,
            WorkloadState.Stopped,
            WorkloadState.Queued,
        ];

        Assert.Equal(ends.Length, ends.Select(s => StateLooks.Of(s).Icon).Distinct().Count());
    }

    [Fact]
    public void Host_and_attempt_states_have_words_too()
    {
        Assert.All(Enum.GetValues<HostState>(), s => Assert.Equal(s.ToString(), StateLooks.Of(s).Word));
        Assert.All(Enum.GetValues<AttemptState>(), s => Assert.Equal(s.ToString(), StateLooks.Of(s).Word));
    }
}
