using System.Text;
using System.Text.Json.Nodes;
using DeepLab.Core.Engines;
using DeepLab.Core.Reconcile;
using DeepLab.Core.Workloads;

namespace DeepLab.Core.Tests.Reconcile;

public sealed class EnvironmentFilesTests
{
    private const string Token = "the-token";
    private const string Password = "the password";

    private static Dictionary<string, PlacedFile> Files(EnvironmentSpec environment, string? password = Password) =>
        EnvironmentFiles.Make(environment, 12, Token, password, ["ssh-ed25519 AAAA me"]).ToDictionary(f => f.Path);

    private static string Text(PlacedFile file) => Encoding.UTF8.GetString(file.Content!);

    [Fact]
    public void Only_its_user_reads_what_the_console_puts_there()
    {
        foreach (var file in Files(new EnvironmentSpec { Ssh = true }).Values.Where(f => f.Path != "/home/lab"))
        {
            Assert.StartsWith("/home/lab/.deeplab", file.Path);
            Assert.Equal(0, file.Mode & 0x3F);
        }
    }

    [Fact]
    public void Jupyter_is_told_its_prefix_its_token_and_a_hash_of_the_password_alone()
    {
        var files = Files(new EnvironmentSpec());
        var server = JsonNode.Parse(Text(files["/home/lab/.deeplab/jupyter/jupyter_server_config.json"]))!;
        Assert.Equal("/e/12/jupyter/", (string?)server["ServerApp"]!["base_url"]);
        Assert.Equal(Token, (string?)server["IdentityProvider"]!["token"]);
        var hash = ((string)server["PasswordIdentityProvider"]!["hashed_password"]!).Split(':');
        Assert.Equal(["sha512"], hash[..1]);
        Assert.Equal((32, 128), (hash[1].Length, hash[2].Length));
        Assert.DoesNotContain(files.Values.Where(f => f.Content is not null), f => Text(f).Contains(Password));
        Assert.DoesNotContain("PasswordIdentityProvider.hashed", Text(files["/home/lab/.deeplab/start"]));
    }

    [Fact]
    public void Without_a_password_none_is_asked_for()
    {
        var config = Text(Files(new EnvironmentSpec(), null)["/home/lab/.deeplab/jupyter/jupyter_server_config.json"]);
        Assert.DoesNotContain("password_required", config);
    }

    [Fact]
    public void What_is_off_leaves_no_file()
    {
        Assert.DoesNotContain(Files(new EnvironmentSpec()).Keys, p => p.Contains("ssh") || p.Contains("authorized"));
        Assert.DoesNotContain(
            Files(new EnvironmentSpec { Jupyter = false, Ssh = true }).Keys,
            p => p.Contains("jupyter")
        );
    }

    [Fact]
    public void The_plan_publishes_its_doors_mounts_its_home_and_names_no_secret()
    {
        var spec = new JobSpec
        {
            Name = "my_notes.1",
            Image = "pytorch-cpu",
            Roles = [new RoleSpec { Name = EnvironmentSpec.Role }],
            Environment = new EnvironmentSpec { Ssh = true },
        };
        var workload = new Workload
        {
            Id = 12,
            Kind = WorkloadKind.Environment,
            Name = spec.Name,
            OwnerName = "me",
            SpecJson = "",
            SpecHash = "hash",
        };
        var attempt = new Attempt { ReplicaName = "environment-0", ContainerName = "dl-x" };
        Endpoint[] doors = [Door(Endpoint.Jupyter, 8888, 20001), Door(Endpoint.Ssh, 2222, 20002)];
        var plan = LaunchPlan.Make("abcdef012345", workload, spec, attempt, "image", [], [], null, doors);
        Assert.Equal(["/bin/sh", "/home/lab/.deeplab/start"], plan.Command);
        Assert.Equal("my-notes-1", plan.Hostname);
        var sent = HostConfigs.Build(plan, new EnginePolicy());
        var ports = sent.HostConfig!.PortBindings!;
        Assert.Equal(["2222/tcp", "8888/tcp"], ports.Keys.Order());
        Assert.All(ports.Values.SelectMany(p => p), p => Assert.Equal("10.0.0.7", p.HostIP));
        Assert.Equal("20001", Assert.Single(ports["8888/tcp"]).HostPort);
        var home = Assert.Single(sent.HostConfig.Mounts!);
        Assert.Equal(("volume", "dl-abcdef-home-12", "/home/lab"), (home.Type, home.Source, home.Target));
        Assert.Equal("12", home.VolumeOptions!.Labels![Labels.Home]);
        Assert.False(home.VolumeOptions.Labels.ContainsKey(Labels.Workload));

        static Endpoint Door(string name, int inside, int port) =>
            new()
            {
                Name = name,
                ContainerPort = inside,
                Address = "10.0.0.7",
                Port = port,
            };
    }
}
