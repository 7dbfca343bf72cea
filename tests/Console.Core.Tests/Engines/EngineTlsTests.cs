using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DeepLab.Core.Clusters;
using DeepLab.Core.Engines;
using Microsoft.Extensions.Logging.Abstractions;

namespace DeepLab.Core.Tests.Engines;

/// <summary>Only the engine that the given authority vouches for, under the dialled name and in date, is spoken to.</summary>
public sealed class EngineTlsTests
{
    private static readonly Authority s_ours = new("ours");
    private static readonly EngineCredentials s_credentials = s_ours.Credentials();
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_right_engine_answers_calls_and_streams()
    {
        await using var engine = new TlsEngine(s_ours.Server());
        await using var client = Client(engine.Address, s_credentials);
        Assert.Equal("29.4.0", (await client.InfoAsync(Ct)).EngineVersion);
        await foreach (var e in client.EventsAsync("i", Ct))
        {
            Assert.Equal("start", e.Action);
            break;
        }
        Assert.Equal("console", engine.Client);
    }

    public static TheoryData<string, string> Impostors =>
        new()
        {
            { "of another authority", "did not sign" },
            { "expired", "expired" },
            { "not valid yet", "expired" },
            { "for another name", "not for 127.0.0.1" },
            { "with the address as common name only", "not for 127.0.0.1" },
            { "of a client", "not for servers" },
            { "signed by itself", "did not sign" },
        };

    [Theory]
    [MemberData(nameof(Impostors))]
    public async Task An_impostor_hears_no_request(string kind, string words)
    {
        await using var engine = new TlsEngine(Shown(kind));
        await using var client = Client(engine.Address, s_credentials);
        var refusal = await Assert.ThrowsAsync<EngineUnreachableException>(() => client.InfoAsync(Ct));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, engine.Requests);
    }

    private static X509Certificate2 Shown(string kind)
    {
        var now = TimeProvider.System.GetUtcNow();
        return kind switch
        {
            "of another authority" => new Authority("ours").Server(),
            "expired" => s_ours.Server(from: now.AddDays(-3), to: now.AddDays(-1)),
            "not valid yet" => s_ours.Server(from: now.AddDays(1), to: now.AddDays(3)),
            "for another name" => s_ours.Server(san: s => s.AddDnsName("other.example")),
            "with the address as common name only" => s_ours.Server(name: "127.0.0.1", san: null),
            "of a client" => s_ours.Server(usage: "1.3.6.1.5.5.7.3.2"),
            _ => new Authority("itself").Itself(),
        };
    }

    [Fact]
    public async Task An_engine_that_does_not_know_our_certificate_refuses_us()
    {
        await using var engine = new TlsEngine(s_ours.Server());
        // The engine's authority is believed, and the certificate is one that the engine's authority never signed
        var stranger = new Authority("stranger").Credentials();
        await using var client = Client(engine.Address, stranger with { Ca = s_credentials.Ca });
        await Assert.ThrowsAsync<EngineUnreachableException>(() => client.InfoAsync(Ct));
        Assert.Equal(0, engine.Requests);
    }

    [Fact]
    public async Task Plain_tcp_is_refused_before_anything_is_dialled()
    {
        await using var engine = new TlsEngine(s_ours.Server());
        await using var client = Client(engine.Address, null);
        var refusal = await Assert.ThrowsAsync<EngineUnreachableException>(() => client.InfoAsync(Ct));
        Assert.Contains("refused", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, engine.Connections);
    }

    [Fact]
    public async Task An_engine_that_speaks_plain_is_not_spoken_to()
    {
        using var plain = new TcpListener(IPAddress.Loopback, 0);
        plain.Start();
        var heard = HearAsync(plain);
        await using var client = Client(new Uri($"tcp://{plain.LocalEndpoint}"), s_credentials);
        await Assert.ThrowsAsync<EngineUnreachableException>(() => client.InfoAsync(Ct));
        Assert.DoesNotContain("GET", await heard, StringComparison.Ordinal);

        static async Task<string> HearAsync(TcpListener listener)
        {
            using var connection = await listener.AcceptTcpClientAsync(Ct);
            var buffer = new byte[4096];
            var read = await connection.GetStream().ReadAsync(buffer, Ct);
            await connection.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), Ct);
            return Encoding.Latin1.GetString(buffer, 0, read);
        }
    }

    [Fact]
    public void Credentials_are_checked_part_by_part_and_print_nothing()
    {
        Assert.Empty(s_credentials.Check());
        Assert.Equal(["ca", "certificate", "key"], new EngineCredentials("x", "", "y").Check().Select(e => e.Part));
        var other = s_credentials with { Key = new Authority("other").Credentials().Key };
        Assert.Equal("key", Assert.Single(other.Check()).Part);
        Assert.DoesNotContain("PRIVATE", $"{s_credentials}", StringComparison.Ordinal);
    }

    private static DockerEngine Client(Uri address, EngineCredentials? credentials) =>
        new(address, () => credentials, new EnginePolicy(), TimeProvider.System, NullLogger<DockerEngine>.Instance);

    /// <summary>Signs certificates, as an operator's own authority does.</summary>
    private sealed class Authority(string name)
    {
        private readonly X509Certificate2 _certificate = Make(name);

        private static X509Certificate2 Make(string name)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            // So that only its signature can be what is wrong with it
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            var now = TimeProvider.System.GetUtcNow();
            return request.CreateSelfSigned(now.AddDays(-30), now.AddDays(30));
        }

        public X509Certificate2 Itself() => _certificate;

        public X509Certificate2 Server(
            string name = "engine",
            Action<SubjectAlternativeNameBuilder>? san = null,
            string usage = "1.3.6.1.5.5.7.3.1",
            DateTimeOffset? from = null,
            DateTimeOffset? to = null
        )
        {
            // Its own name says nothing where the test wants a common name only
            san ??= name == "engine" ? s => s.AddIpAddress(IPAddress.Loopback) : null;
            return Sign(name, san, usage, from, to);
        }

        public EngineCredentials Credentials()
        {
            using var client = Sign("console", null, "1.3.6.1.5.5.7.3.2", null, null);
            return new EngineCredentials(
                _certificate.ExportCertificatePem(),
                client.ExportCertificatePem(),
                client.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem()
            );
        }

        private X509Certificate2 Sign(
            string name,
            Action<SubjectAlternativeNameBuilder>? san,
            string usage,
            DateTimeOffset? from,
            DateTimeOffset? to
        )
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
            if (san is not null)
            {
                var names = new SubjectAlternativeNameBuilder();
                san(names);
                request.CertificateExtensions.Add(names.Build());
            }
            var now = TimeProvider.System.GetUtcNow();
            using var signed = request.Create(
                _certificate,
                from ?? now.AddDays(-1),
                to ?? now.AddDays(1),
                RandomNumberGenerator.GetBytes(8)
            );
            return signed.CopyWithPrivateKey(key);
        }
    }

    /// <summary>As much of an engine as a first call and a stream of events need, behind mutual TLS.</summary>
    private sealed class TlsEngine : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _shown;
        private readonly CancellationTokenSource _over = new();
        private readonly Task _serving;
        private int _connections;
        private int _requests;

        public TlsEngine(X509Certificate2 shown)
        {
            _shown = shown;
            _listener.Start();
            _serving = ServeAsync();
        }

        public Uri Address => new($"tcp://{_listener.LocalEndpoint}");
        public int Connections => Volatile.Read(ref _connections);
        public int Requests => Volatile.Read(ref _requests);

        /// <summary>Common name of the certificate that the client showed.</summary>
        public string? Client { get; private set; }

        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync();
            await _serving;
            _listener.Dispose();
            _over.Dispose();
        }

        private async Task ServeAsync()
        {
            while (true)
            {
                try
                {
                    using var connection = await _listener.AcceptTcpClientAsync(_over.Token);
                    Interlocked.Increment(ref _connections);
                    await using var tls = new SslStream(connection.GetStream());
                    await tls.AuthenticateAsServerAsync(
                        new SslServerAuthenticationOptions
                        {
                            ServerCertificate = _shown,
                            ClientCertificateRequired = true,
                            CertificateChainPolicy = Trust(),
                        }
                    );
                    Client = ((X509Certificate2)tls.RemoteCertificate!).GetNameInfo(X509NameType.SimpleName, false);
                    await AnswerAsync(tls);
                }
                catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
                {
                    // The client turned away, or was turned away
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }

        private static X509ChainPolicy Trust()
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.AddRange(EngineCredentials.Certificates(s_credentials.Ca));
            return policy;
        }

        private async Task AnswerAsync(Stream tls)
        {
            using var reader = new StreamReader(tls, Encoding.ASCII, leaveOpen: true);
            var line = await reader.ReadLineAsync();
            if (line is null)
            {
                return;
            }
            Interlocked.Increment(ref _requests);
            while (await reader.ReadLineAsync() is { Length: > 0 }) { }
            var body =
                line.Contains("/events", StringComparison.Ordinal)
                    ? """{"Action":"start","Actor":{"ID":"c"},"timeNano":1}"""
                : line.Contains("/info", StringComparison.Ordinal) ? """{"ID":"e","ServerVersion":"29.4.0"}"""
                : """{"Version":"29.4.0","ApiVersion":"1.47"}""";
            await tls.WriteAsync(
                Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"
                )
            );
        }
    }
}
