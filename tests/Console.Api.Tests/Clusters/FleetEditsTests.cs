using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using DeepLab.Core.Clusters;
using Microsoft.EntityFrameworkCore;

namespace DeepLab.Api.Tests.Clusters;

public sealed class FleetEditsTests(ApiHost host)
{
    private static string NewName(string kind) => $"{kind}-{Guid.NewGuid().ToString("N")[..8]}";

    [Fact]
    public async Task A_host_is_entered_changed_drained_and_taken_out()
    {
        using var client = host.Admin();
        var (cluster, name) = (NewName("c"), NewName("h"));
        await PostAsync(client, "clusters", new { name = cluster }, HttpStatusCode.Created);
        var (certificate, key) = Pair();
        var body = new
        {
            name,
            cluster,
            address = $"tcp://{name}.example:2376",
            ca = certificate,
            certificate,
            key,
            labels = new Dictionary<string, string> { ["zone"] = "a" },
            networkAddress = "10.0.0.7",
        };
        var made = await PostAsync(client, "hosts", body, HttpStatusCode.Created);
        Assert.Equal("Unreachable", made.GetProperty("state").GetString());
        Assert.Equal("10.0.0.7", made.GetProperty("networkAddress").GetString());
        var again = await PostAsync(client, "hosts", body, HttpStatusCode.Conflict);
        Assert.Contains(name, again.GetProperty("detail").GetString(), StringComparison.Ordinal);

        var edited = await SendAsync(client, HttpMethod.Patch, $"hosts/{name}", """{"labels":{"zone":"b"}}""");
        Assert.Equal("b", edited.GetProperty("labels").GetProperty("zone").GetString());
        Assert.Equal("10.0.0.7", edited.GetProperty("networkAddress").GetString());

        var drained = await PostAsync(client, $"hosts/{name}/drain", new { deadline = "01:00:00" });
        Assert.Equal("Draining", drained.GetProperty("wish").GetString());
        Assert.True(drained.GetProperty("drainDeadline").GetDateTimeOffset() > DateTimeOffset.UnixEpoch);
        Assert.Equal(
            "Active",
            (await SendAsync(client, HttpMethod.Post, $"hosts/{name}/activate")).GetProperty("wish").GetString()
        );
        Assert.Equal(
            "Disabled",
            (await SendAsync(client, HttpMethod.Post, $"hosts/{name}/disable")).GetProperty("state").GetString()
        );
        await SendAsync(client, HttpMethod.Post, $"hosts/{name}/check");
        // Nobody reached it yet, so it may be called dead
        var fenced = await SendAsync(client, HttpMethod.Post, $"hosts/{name}/fence");
        Assert.Equal("Fenced", fenced.GetProperty("wish").GetString());

        await SendAsync(client, HttpMethod.Delete, $"clusters/{cluster}", status: HttpStatusCode.Conflict);
        await SendAsync(client, HttpMethod.Delete, $"hosts/{name}", status: HttpStatusCode.NoContent);
        await SendAsync(client, HttpMethod.Delete, $"hosts/{name}", status: HttpStatusCode.NotFound);
        await SendAsync(client, HttpMethod.Delete, $"clusters/{cluster}", status: HttpStatusCode.NoContent);

        await using var db = await host.DbAsync();
        var actions = await db
            .Audit.Where(a => a.Target == $"host {name}")
            .OrderBy(a => a.Id)
            .Select(a => a.Action)
            .ToListAsync();
        Assert.Equal(
            [
                "host.add",
                "host.edit",
                "host.drain",
                "host.activate",
                "host.disable",
                "host.check",
                "host.fence",
                "host.remove",
            ],
            actions
        );
    }

    [Fact]
    public async Task A_cluster_is_trusted_and_trusted_no_longer()
    {
        using var client = host.Admin();
        var name = NewName("c");
        var made = await PostAsync(client, "clusters", new { name }, HttpStatusCode.Created);
        Assert.False(made.GetProperty("trusted").GetBoolean());
        foreach (
            var (body, trusted) in new[]
            {
                ("""{"trusted":true}""", true),
                ("{}", true),
                ("""{"trusted":false}""", false),
            }
        )
        {
            var edited = await SendAsync(client, HttpMethod.Patch, $"clusters/{name}", body);
            Assert.Equal(trusted, edited.GetProperty("trusted").GetBoolean());
        }
        await SendAsync(client, HttpMethod.Patch, "clusters/nowhere", "{}", HttpStatusCode.NotFound);
        await using var db = await host.DbAsync();
        var actions = await db
            .Audit.Where(a => a.Target == $"cluster {name}")
            .OrderBy(a => a.Id)
            .Select(a => a.Action)
            .ToListAsync();
        Assert.Equal(["cluster.add", "cluster.trust", "cluster.distrust"], actions);
    }

    [Fact]
    public async Task Credentials_are_in_no_answer_and_sealed_in_the_database()
    {
        using var client = host.Admin();
        var (cluster, name) = (NewName("c"), NewName("h"));
        var (certificate, key) = Pair();
        var credentials = new
        {
            ca = certificate,
            certificate,
            key,
        };
        var swarm = new
        {
            name = cluster,
            managerAddress = "tcp://10.1.2.3:2376",
            nodePort = 12376,
            credentials,
        };
        var answers = new List<string>
        {
            (await PostAsync(client, "clusters", swarm, HttpStatusCode.Created)).GetRawText(),
            (
                await PostAsync(
                    client,
                    "hosts",
                    new
                    {
                        name,
                        cluster = "local",
                        address = $"tcp://{name}:1",
                        ca = certificate,
                        certificate,
                        key,
                    },
                    HttpStatusCode.Created
                )
            ).GetRawText(),
            await client.GetStringAsync("/api/v1/hosts"),
            await client.GetStringAsync("/api/v1/clusters"),
        };
        var secret = key.Split('\n')[1];
        await using (var db = await host.DbAsync())
        {
            answers.Add((await db.Hosts.SingleAsync(h => h.Name == name)).SealedCredentials!);
            answers.Add((await db.Clusters.SingleAsync(c => c.Name == cluster)).SealedCredentials!);
        }
        Assert.All(answers, a => Assert.DoesNotContain(secret, a, StringComparison.Ordinal));
        Assert.All(answers, a => Assert.DoesNotContain("PRIVATE", a, StringComparison.Ordinal));
        Assert.Contains("12376", answers[0], StringComparison.Ordinal);
        // A host is not put by hand among a Swarm's nodes
        var refused = await PostAsync(
            client,
            "hosts",
            new
            {
                name = NewName("h"),
                cluster,
                address = "unix:///x",
            },
            HttpStatusCode.UnprocessableEntity
        );
        Assert.Equal(["cluster"], refused.Paths());
        await SendAsync(client, HttpMethod.Delete, $"hosts/{name}", status: HttpStatusCode.NoContent);
        await SendAsync(client, HttpMethod.Delete, $"clusters/{cluster}", status: HttpStatusCode.NoContent);
    }

    [Theory]
    [InlineData(
        """{"name":"UP","cluster":"none","address":"http://x","networkAddress":"a b","labels":{"a b":"x"}}""",
        "name,address,networkAddress,labels,cluster"
    )]
    [InlineData("""{"name":"h","cluster":"local","address":"tcp://10.0.0.1:2375"}""", "ca")]
    [InlineData("""{"name":"h","cluster":"local","address":"tcp://10.0.0.1"}""", "address,ca")]
    [InlineData(
        """{"name":"h","cluster":"local","address":"tcp://h:1","ca":"x","certificate":"y","key":"z"}""",
        "ca,certificate,key"
    )]
    [InlineData("""{"name":"h","cluster":"local","address":"tcp://h:1","ca":"x"}""", "certificate,key")]
    [InlineData("""{"name":"h","cluster":"local","address":"unix:///x","labels":{"a":null}}""", "labels.a")]
    [InlineData("""{"name":"h","cluster":"local","address":"unix:///a\u0000b"}""", "address")]
    [InlineData("""{"name":"h","cluster":"lo\u0000cal","address":"unix:///b"}""", "cluster")]
    public async Task Everything_that_is_wrong_is_told_at_once(string body, string paths)
    {
        using var client = host.Admin();
        var problem = await SendAsync(client, HttpMethod.Post, "hosts", body, HttpStatusCode.UnprocessableEntity);
        Assert.Equal(paths.Split(','), problem.Paths().Distinct());
    }

    [Theory]
    [InlineData("POST", "hosts", """{"name":"h","cluster":"local","address":"unix:///x","state":"Ready"}""", 400)]
    [InlineData("POST", "hosts", """{"name":"h"}""", 400)]
    [InlineData("POST", "hosts/local/drain", """{"deadline":"tomorrow"}""", 400)]
    [InlineData("POST", "hosts/local/drain", """{"deadline":"-01:00:00"}""", 422)]
    [InlineData("POST", "hosts/local/drain", """{"until":"01:00:00"}""", 400)]
    [InlineData("POST", "hosts/nobody/drain", "{}", 404)]
    [InlineData("POST", "hosts/%F0/activate", null, 404)]
    [InlineData("PATCH", "hosts/local", """{"address":"unix:///y"}""", 400)]
    [InlineData("PATCH", "hosts/local", """{"ca":"x"}""", 422)]
    [InlineData("POST", "clusters", """{"name":"local"}""", 409)]
    [InlineData("POST", "clusters", """{"name":"x","nodePort":1}""", 422)]
    [InlineData("POST", "clusters", """{"name":"x","managerAddress":"tcp://h:1","nodePort":0}""", 422)]
    [InlineData("DELETE", "clusters/local", null, 409)]
    public async Task What_is_not_allowed_is_a_problem_and_never_a_fault(
        string method,
        string path,
        string? body,
        int status
    )
    {
        using var client = host.Admin();
        await SendAsync(client, new HttpMethod(method), path, body, (HttpStatusCode)status);
    }

    [Fact]
    public async Task Members_and_lesser_tokens_change_nothing()
    {
        var member = await host.AddMemberAsync();
        using var one = host.Client(await host.SignInAsync(member.UserName, ApiHost.Password));
        using var two = host.Client(await host.SignInAsync("admin", ApiHost.Password, "clusters:read"));
        foreach (var client in new[] { one, two })
        {
            await SendAsync(client, HttpMethod.Post, "hosts/local/drain", "{}", HttpStatusCode.Forbidden);
            await SendAsync(client, HttpMethod.Delete, "hosts/local", status: HttpStatusCode.Forbidden);
        }
    }

    [Fact]
    public async Task A_host_that_answers_is_not_fenced_and_one_that_holds_is_not_removed()
    {
        using var client = host.Admin();
        var name = NewName("h");
        await PostAsync(
            client,
            "hosts",
            new
            {
                name,
                cluster = "local",
                address = $"unix:///{name}",
            },
            HttpStatusCode.Created
        );
        await host.MakeRoomAsync();
        var problem = await SendAsync(client, HttpMethod.Post, $"hosts/{name}/fence", status: HttpStatusCode.Conflict);
        Assert.Contains("answers", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await using (var db = await host.DbAsync())
        {
            var machine = await db.Hosts.SingleAsync(h => h.Name == name);
            db.Attempts.Add(
                new Core.Workloads.Attempt
                {
                    HostId = machine.Id,
                    WorkloadId = 4711,
                    ReplicaId = Random.Shared.NextInt64(),
                    ReplicaName = "worker-0",
                    Number = 1,
                    ContainerName = name,
                }
            );
            await db.SaveChangesAsync();
        }
        problem = await SendAsync(client, HttpMethod.Delete, $"hosts/{name}", status: HttpStatusCode.Conflict);
        Assert.Contains("worker-0 of job 4711", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await using (var db = await host.DbAsync())
        {
            await db.Attempts.Where(a => a.ContainerName == name).ExecuteDeleteAsync();
        }
        await SendAsync(client, HttpMethod.Delete, $"hosts/{name}", status: HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task A_gpu_is_fenced_cleared_and_evicted_only_where_that_makes_sense()
    {
        using var client = host.Admin();
        var uuid = $"GPU-{Guid.NewGuid()}";
        await using var db = await host.DbAsync();
        var machine = await db.Hosts.SingleAsync(h => h.Name == "local");
        db.Gpus.Add(
            new Gpu
            {
                Uuid = uuid,
                HostId = machine.Id,
                Model = "A100",
            }
        );
        await db.SaveChangesAsync();
        var gpu = await SendAsync(client, HttpMethod.Post, $"gpus/{uuid}/fence");
        Assert.Equal("Fenced", gpu.GetProperty("health").GetString());
        Assert.Contains("admin", gpu.GetProperty("healthMessage").GetString(), StringComparison.Ordinal);
        await SendAsync(client, HttpMethod.Post, $"gpus/{uuid}/evict", status: HttpStatusCode.Conflict);
        gpu = await SendAsync(client, HttpMethod.Post, $"gpus/{uuid}/clear");
        // Not leased before somebody looked
        Assert.Equal("Sick", gpu.GetProperty("health").GetString());
        await SendAsync(client, HttpMethod.Post, $"gpus/{uuid}/clear", status: HttpStatusCode.Conflict);
        await SendAsync(client, HttpMethod.Post, "gpus/GPU-none/fence", status: HttpStatusCode.NotFound);
        await db.Gpus.Where(g => g.Uuid == uuid).ExecuteDeleteAsync();
    }

    private static (string Certificate, string Key) Pair()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(
            now.AddDays(-1),
            now.AddDays(1)
        );
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private static Task<JsonElement> PostAsync(
        HttpClient client,
        string path,
        object body,
        HttpStatusCode status = HttpStatusCode.OK
    ) => SendAsync(client, HttpMethod.Post, path, JsonSerializer.Serialize(body), status);

    private static async Task<JsonElement> SendAsync(
        HttpClient client,
        HttpMethod method,
        string path,
        string? body = null,
        HttpStatusCode status = HttpStatusCode.OK
    )
    {
        using var request = new HttpRequestMessage(method, "/api/v1/" + path);
        request.Content = body is null ? null : Answers.Json(body);
        using var answer = await client.SendAsync(request);
        return (int)status < 400 ? await answer.OkAsync(status) : await answer.ProblemAsync(status);
    }
}
