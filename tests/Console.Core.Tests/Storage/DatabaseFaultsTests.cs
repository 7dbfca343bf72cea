using DeepLab.Core.Storage;
using Npgsql;

namespace DeepLab.Core.Tests.Storage;

public sealed class DatabaseFaultsTests
{
    /// <summary>55000 stands for a database that is closed for maintenance, and for much that a statement may do wrong.</summary>
    [Theory]
    [InlineData("FATAL", "55000", true)]
    [InlineData("FATAL", "57P01", true)]
    [InlineData("ERROR", "55000", false)]
    [InlineData("ERROR", "23505", false)]
    [InlineData("ERROR", "53100", true)]
    public void A_session_that_was_ended_or_refused_is_a_fault_of_the_database(
        string severity,
        string state,
        bool fault
    ) => Assert.Equal(fault, DatabaseFaults.IsFault(new PostgresException("", severity, severity, state)));
}
