using DeepLab.Core.Operations.Gateway;
using Microsoft.Extensions.Hosting;

namespace DeepLab.Api.Gateway;

/// <summary>
/// What passes through the gateway right now, each with the means to end it. All of it ends when the console is asked to, which
/// would else wait for sockets that nobody closes.
/// </summary>
internal sealed class OpenRequests(IHostApplicationLifetime lifetime)
{
    /// <summary>More than a browser opens, and few enough that one page cannot take the console's connections.</summary>
    public const int MostOfSession = 256;
    private readonly Lock _gate = new();
    private readonly HashSet<OpenRequest> _open = [];
    private readonly Dictionary<Guid, int> _ofSession = [];

    /// <summary>Null where the session has as many as it may have.</summary>
    public OpenRequest? TryEnter(GatewayRoute route, GatewayPass pass, long endpointId, CancellationToken ct)
    {
        lock (_gate)
        {
            var open = _ofSession.GetValueOrDefault(pass.TokenId);
            if (open >= MostOfSession)
            {
                return null;
            }
            _ofSession[pass.TokenId] = open + 1;
            var ends = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping);
            var request = new OpenRequest(this, route, pass, endpointId, ends);
            _open.Add(request);
            return request;
        }
    }

    public IReadOnlyList<OpenRequest> List()
    {
        lock (_gate)
        {
            return [.. _open];
        }
    }

    private void Leave(OpenRequest request)
    {
        lock (_gate)
        {
            if (!_open.Remove(request))
            {
                return;
            }
            var left = _ofSession[request.Pass.TokenId] - 1;
            if (left == 0)
            {
                _ofSession.Remove(request.Pass.TokenId);
            }
            else
            {
                _ofSession[request.Pass.TokenId] = left;
            }
        }
    }

    /// <summary>One request or WebSocket.</summary>
    internal sealed class OpenRequest(
        OpenRequests all,
        GatewayRoute route,
        GatewayPass pass,
        long endpointId,
        CancellationTokenSource ends
    ) : IDisposable
    {
        private readonly Lock _end = new();
        private bool _ended;

        public GatewayRoute Route => route;
        public GatewayPass Pass => pass;

        /// <summary>The row of the container that it reached.</summary>
        public long EndpointId => endpointId;
        public CancellationToken Token => ends.Token;

        public void Cut()
        {
            lock (_end)
            {
                if (!_ended)
                {
                    ends.Cancel();
                }
            }
        }

        public void Dispose()
        {
            all.Leave(this);
            lock (_end)
            {
                _ended = true;
                ends.Dispose();
            }
        }
    }
}
