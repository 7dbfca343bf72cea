using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DeepLab.Core.Clusters;

namespace DeepLab.Core.Engines;

/// <summary>
/// Mutual TLS to one engine. The engine must show a certificate for the very name or address we dialled, in date, from the
/// given authority: the machine's own list of authorities is not asked, and there is no way past a failed check.
/// </summary>
internal sealed class EngineTls
{
    private readonly X509Certificate2Collection _authorities;
    private readonly SslStreamCertificateContext _client;

    /// <exception cref="AuthenticationException">The credentials cannot be used.</exception>
    public EngineTls(EngineCredentials credentials)
    {
        try
        {
            _authorities = EngineCredentials.Certificates(credentials.Ca);
            _client = SslStreamCertificateContext.Create(
                credentials.LoadClient(),
                EngineCredentials.Certificates(credentials.Certificate),
                offline: true
            );
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new AuthenticationException("the kept credentials are no certificates and key", e);
        }
    }

    /// <exception cref="AuthenticationException">The engine is not who it should be; the message says why.</exception>
    public async Task<SslStream> SecureAsync(Stream transport, string host, CancellationToken ct)
    {
        var refusal = "";
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    ClientCertificateContext = _client,
                    CertificateChainPolicy = Policy(),
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                        (refusal = WhyRefused(certificate as X509Certificate2, chain, errors, host)).Length == 0,
                },
                ct
            );
            return tls;
        }
        catch (AuthenticationException e)
        {
            await tls.DisposeAsync();
            throw refusal.Length > 0 ? new AuthenticationException(refusal, e) : e;
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private X509ChainPolicy Policy()
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        // serverAuth: a client's certificate of the same authority must not pass for an engine
        policy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        return policy;
    }

    /// <summary>Empty where it is accepted.</summary>
    private static string WhyRefused(X509Certificate2? shown, X509Chain? chain, SslPolicyErrors errors, string host)
    {
        if (shown is null)
        {
            return "it shows no certificate";
        }
        // The runtime takes the common name where there is no alternative name; we do not
        if (
            errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            || !shown.MatchesHostname(host, allowWildcards: true, allowCommonName: false)
        )
        {
            return $"its certificate is not for {host}";
        }
        return errors == SslPolicyErrors.None
            ? ""
            : $"its certificate is refused: {string.Join(", ", (chain?.ChainStatus ?? []).Select(s => Words(s.Status)).Distinct())}";
    }

    private static string Words(X509ChainStatusFlags status) =>
        status switch
        {
            X509ChainStatusFlags.NotTimeValid => "it has expired, or is not valid yet",
            X509ChainStatusFlags.PartialChain
            or X509ChainStatusFlags.UntrustedRoot
            or X509ChainStatusFlags.NotSignatureValid => "the given authority did not sign it",
            X509ChainStatusFlags.NotValidForUsage => "it is not for servers",
            _ => status.ToString(),
        };
}
