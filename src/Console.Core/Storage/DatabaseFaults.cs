using System.Net.Sockets;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace DeepLab.Core.Storage;

/// <summary>Tells a database that is away, full or overloaded from a bug in a statement.</summary>
public static class DatabaseFaults
{
    public static bool IsFault(Exception e) =>
        e switch
        {
            PostgresException p => HasLostPlans(p)
                || p.IsTransient
                || p.SqlState is [.., _] s
                    && (s.StartsWith("53") || s.StartsWith("57") || s.StartsWith("08") || s is "25006" or "25P03"),
            NpgsqlException => true,
            RetryLimitExceededException { InnerException: { } i } => IsFault(i),
            DbUpdateException { InnerException: { } i } => IsFault(i),
            InvalidOperationException { InnerException: NpgsqlException or TimeoutException } => true,
            TimeoutException or SocketException => true,
            _ => false,
        };

    /// <summary>The server has a prepared statement that the connection's client does not know of, or lacks one that it should have.</summary>
    public static bool HasLostPlans(Exception e) => e is PostgresException { SqlState: "42P05" or "26000" };
}
