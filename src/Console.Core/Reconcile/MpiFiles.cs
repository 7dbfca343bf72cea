using System.Globalization;
using System.Security.Cryptography;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Reconcile;

/// <summary>
/// What stands in each container of an MPI job before it starts: a list of the hosts, an SSH server's and a client's
/// configuration, and one key of the job's, which opens no other. Pure.
/// </summary>
public static class MpiFiles
{
    // 0755, 0700, 0600
    private const int Folder = 0x1ED;
    private const int Closed = 0x1C0;
    private const int Private = 0x180;
    public const int SshPort = 2222;
    private const string Own = "/tmp/deeplab/mpi";

    /// <summary>A line of `name slots=n` for each replica: mpirun, horovodrun and DeepSpeed read it.</summary>
    public const string Hosts = Own + "/hostfile";
    private const string Client = Own + "/ssh_config";
    private const string Start = Own + "/start";
    private const string Key = Own + "/id_ecdsa";

    /// <summary>Exit code of the start, where the image has no SSH; no program of the image ends with it.</summary>
    public const int NoSsh = 97;

    /// <summary>Makes mpirun find hosts, keys and network by itself; Open MPI 4 and 5 have different names for them.</summary>
    public static IEnumerable<(string Name, string Value)> Defaults()
    {
        const string ssh = $"ssh -F {Client}";
        yield return ("OMPI_MCA_plm_rsh_agent", ssh);
        yield return ("PRTE_MCA_plm_ssh_agent", ssh);
        yield return ("OMPI_MCA_orte_default_hostfile", Hosts);
        yield return ("PRTE_MCA_prte_default_hostfile", Hosts);
        yield return ("OMPI_MCA_btl_tcp_if_include", ReplicaEnv.Interface);
        yield return ("OMPI_MCA_oob_tcp_if_include", ReplicaEnv.Interface);
        yield return ("PRTE_MCA_prte_if_include", ReplicaEnv.Interface);
    }

    /// <summary>The command as it is run in every container of the job: the first runs it, the others let its ranks in.</summary>
    public static IReadOnlyList<string> Command(IReadOnlyList<string> command) => ["/bin/sh", Start, .. command];

    /// <param name="key">private, on the curve P-256, as PEM</param>
    public static IReadOnlyList<PlacedFile> Make(JobSpec spec, string key)
    {
        var hosts = spec.WorldOf($"{spec.Roles[0].Name}-0");
        var slots = Math.Max(1, spec.Roles[0].Resources.Gpus);
        return
        [
            new PlacedFile("/tmp/deeplab", Folder, null),
            new PlacedFile(Own, Closed, null),
            PlacedFile.Of(Start, Private, Script(hosts)),
            PlacedFile.Of(
                Hosts,
                Private,
                string.Concat(hosts.Select(h => string.Create(CultureInfo.InvariantCulture, $"{h} slots={slots}\n")))
            ),
            PlacedFile.Of(Client, Private, s_client),
            PlacedFile.Of($"{Own}/sshd_config", Private, s_server),
            PlacedFile.Of(Key, Private, key.TrimEnd() + "\n"),
            PlacedFile.Of($"{Own}/authorized_keys", Private, PublicKey(key) + "\n"),
        ];
    }

    /// <summary>Of the key: one line of authorized_keys.</summary>
    private static string PublicKey(string pem)
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(pem);
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        using var blob = new MemoryStream();
        Span<byte> length = stackalloc byte[4];
        foreach (
            var part in (byte[][])
                ["ecdsa-sha2-nistp256"u8.ToArray(), "nistp256"u8.ToArray(), [4, .. point.X!, .. point.Y!]]
        )
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
            blob.Write(length);
            blob.Write(part);
        }
        return $"ecdsa-sha2-nistp256 {Convert.ToBase64String(blob.ToArray())} deeplab-job";
    }

    // The job's key is its servers' key too: it is made by the console for this job alone, on a network of its own
    private static readonly string s_client = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        Port {SshPort}
        IdentityFile {Key}
        IdentitiesOnly yes
        BatchMode yes
        ConnectTimeout 5
        LogLevel ERROR
        StrictHostKeyChecking no
        UserKnownHostsFile /dev/null

        """
    );

    private static readonly string s_server = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Written by the console
        Port {SshPort}
        HostKey {Key}
        AuthorizedKeysFile {Own}/authorized_keys
        PidFile none
        UsePAM no
        StrictModes no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin no
        PrintMotd no
        LogLevel ERROR
        MaxStartups 512

        """
    );

    /// <summary>Seconds for the servers of those that have started.</summary>
    private const int AnswerSeconds = 60;

    /// <summary>The first waits for the others: their names are there, and their servers answer, before the command begins.</summary>
    private static string Script(IReadOnlyCollection<string> hosts) =>
        $$"""
            #!/bin/sh
            # Written by the console
            set -u
            own={{Own}}
            say() { echo "deeplab: $*" >&2; }
            PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
            export PATH
            sshd=$(command -v sshd) && command -v ssh > /dev/null || {
                say 'this image has no ssh and sshd, which MPI starts its ranks by; choose an image that has both'
                exit {{NoSsh}}
            }
            {{SshSession.WriteConfig}}
            if [ "$RANK" != 0 ]; then
                exec "$sshd" -D -e -f "$config"
            fi
            "$sshd" -D -e -f "$config" &
            {{(hosts.Count > 1 ? AwaitServers(hosts) : "")}}
            exec "$@"

            """;

    private static string AwaitServers(IEnumerable<string> hosts) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            {{Muster.Wait}}
            answers() { told="$1 did not answer over SSH"; ssh -F "{{Client}}" "$1" true; }
            within {{AnswerSeconds}}
            for host in {{string.Join(' ', hosts)}}; do until_true answers "$host" || break; done
            """
        );
}
