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
            PostgresException p => p.IsTransient
                || p.SqlState is [.., _] s
                    && (s.StartsWith("53") || s.StartsWith("57") || s.StartsWith("08") || s is "25006"),
            NpgsqlException => true,
            RetryLimitExceededException { InnerException: { } i } => IsFault(i),
            DbUpdateException { InnerException: { } i } => IsFault(i),
            InvalidOperationException { InnerException: NpgsqlException or TimeoutException } => true,
            TimeoutException or SocketException => true,
            _ => false,
        };
}
