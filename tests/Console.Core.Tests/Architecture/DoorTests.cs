using DeepLab.Core;
using Mono.Cecil;
using Mono.Cecil.Rocks;

namespace DeepLab.Core.Tests.Architecture;

/// <summary>Who may enter which room, read from the assemblies: every type a type mentions, in its members and in its code.</summary>
public sealed class DoorTests
{
    private static readonly string[] s_nouns = ["Tenancy", "Clusters", "Feeds", "Volumes", "Workloads"];

    /// <summary>The table of the design. A room may always enter itself.</summary>
    private static readonly Dictionary<string, string[]> s_doors = new()
    {
        ["Tenancy"] = [],
        ["Clusters"] = [],
        ["Feeds"] = [],
        ["Volumes"] = ["Tenancy"],
        ["Workloads"] = ["Tenancy", "Volumes"],
        ["Placement"] = ["Tenancy", "Clusters", "Volumes", "Workloads"],
        ["Engines"] = ["Clusters", "Volumes", "Workloads"],
        ["Streams"] = ["Workloads", "Feeds", "Engines"],
        ["Metrics"] = ["Clusters", "Feeds", "Engines"],
        ["Storage"] = [.. s_nouns, "Metrics", "Streams"],
        ["Operations"] = [.. s_nouns, "Placement", "Streams", "Metrics", "Storage"],
        ["Reconcile"] = [.. s_nouns, "Placement", "Engines", "Streams", "Metrics", "Storage"],
        ["Maintenance"] = [.. s_nouns, "Engines", "Streams", "Metrics", "Storage"],
    };

    /// <summary>
    /// Doors that stand open today, each with its reason. Reconcile reads the queue, the fleet and stored specs with the
    /// very functions that the verbs use, so that a preview and a plan cannot differ.
    /// </summary>
    private static readonly (string From, string To)[] s_exceptions =
    [
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Fleet.FleetReader"),
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Fleet.InstallationId"),
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Jobs.QueueReader"),
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Data.VolumeReader"),
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Jobs.StoredSpec"),
        // Where a download and a removal find the same files
        ("DeepLab.Core.Reconcile", "DeepLab.Core.Operations.Jobs.CheckpointPlaces"),
    ];

    private static readonly (string Package, string[] MayUse)[] s_packages =
    [
        ("Docker.DotNet", ["DeepLab.Core.Engines"]),
        (
            "Microsoft.EntityFrameworkCore",
            ["DeepLab.Core.Storage", "DeepLab.Core.Operations", "DeepLab.Core.Reconcile", "DeepLab.Core.Maintenance"]
        ),
        (
            "Npgsql",
            [
                "DeepLab.Core.Storage",
                "DeepLab.Core.Operations",
                "DeepLab.Core.Reconcile",
                "DeepLab.Core.Maintenance",
                "DeepLab.Api.Schedules",
            ]
        ),
        ("Yarp", ["DeepLab.Api.Gateway"]),
        ("Hangfire", ["DeepLab.Api.Schedules"]),
        ("MudBlazor", ["DeepLab.Web"]),
        ("Microsoft.AspNetCore", ["DeepLab.Api", "DeepLab.Web"]),
    ];

    private static readonly Lazy<IReadOnlyList<(string From, string To)>> s_mentions = new(() =>
        [.. new[] { "DeepLab.Core", "DeepLab.Api", "DeepLab.Web" }.SelectMany(MentionsOf).Distinct()]
    );

    [Fact]
    public void Every_room_of_the_core_is_in_the_table()
    {
        var rooms = s_mentions
            .Value.Select(m => RoomOf(m.From))
            .OfType<string>()
            .Distinct()
            .Except(s_doors.Keys, StringComparer.Ordinal);
        Assert.Empty(rooms);
    }

    [Fact]
    public void No_room_enters_another_without_a_door()
    {
        var trespassers = s_mentions
            .Value.Select(m => (m.From, m.To, Room: RoomOf(m.From), Other: RoomOf(m.To)))
            .Where(m => m.Room is not null && m.Other is not null && m.Room != m.Other)
            .Where(m => !s_doors[m.Room!].Contains(m.Other))
            .Where(m => !s_exceptions.Any(e => m.From.StartsWith(e.From + ".") && Same(m.To, e.To)))
            .Select(m => $"{m.From} mentions {m.To}");
        Assert.Empty(trespassers);
    }

    [Fact]
    public void A_package_is_used_only_in_its_own_rooms()
    {
        var trespassers =
            from m in s_mentions.Value
            from p in s_packages
            where m.To.StartsWith(p.Package + ".", StringComparison.Ordinal) || m.To == p.Package
            // The composition of each project stands at its top, outside the rooms
            where
                !IsComposition(m.From)
                && !p.MayUse.Any(r => (m.From + ".").StartsWith(r + ".", StringComparison.Ordinal))
            select $"{m.From} mentions {m.To}";
        Assert.Empty(trespassers);
    }

    [Fact]
    public void The_core_knows_neither_its_doors_nor_its_pages()
    {
        Assert.DoesNotContain(
            s_mentions.Value,
            m =>
                m.From.StartsWith("DeepLab.Core.")
                && (m.To.StartsWith("DeepLab.Api.") || m.To.StartsWith("DeepLab.Web."))
        );
        Assert.DoesNotContain(
            s_mentions.Value,
            m => m.From.StartsWith("DeepLab.Api.") && m.To.StartsWith("DeepLab.Web.")
        );
    }

    /// <summary>The test itself must be able to fail: it sees a mention inside a method's body.</summary>
    [Fact]
    public void The_reader_sees_into_method_bodies() =>
        Assert.Contains(
            s_mentions.Value,
            m => m is { From: "DeepLab.Core.Reconcile.QueuePass", To: "DeepLab.Core.Placement.Planner" }
        );

    private static bool IsComposition(string type) =>
        type is "DeepLab.Core.CoreServices" or "Program"
        || type.StartsWith("DeepLab.Api.DeepLabApi", StringComparison.Ordinal);

    private static bool Same(string mention, string allowed) =>
        mention == allowed || mention.StartsWith(allowed + "/", StringComparison.Ordinal);

    private static string? RoomOf(string type)
    {
        const string core = "DeepLab.Core.";
        if (!type.StartsWith(core, StringComparison.Ordinal))
        {
            return null;
        }
        var rest = type[core.Length..];
        var dot = rest.IndexOf('.');
        return dot < 0 ? null : rest[..dot];
    }

    private static IEnumerable<(string From, string To)> MentionsOf(string assembly)
    {
        using var module = ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        var found = new HashSet<(string, string)>();
        foreach (var type in module.GetAllTypes())
        {
            var outer = type;
            while (outer.DeclaringType is not null)
            {
                outer = outer.DeclaringType;
            }
            foreach (var mention in MentionsOf(type))
            {
                // The Razor compiler keeps generic inference in a namespace of its own before ours
                found.Add((outer.FullName.Replace("__Blazor.", "", StringComparison.Ordinal), mention));
            }
        }
        return found;
    }

    private static IEnumerable<string> MentionsOf(TypeDefinition type)
    {
        var references = new List<TypeReference?> { type.BaseType };
        references.AddRange(type.Interfaces.Select(i => i.InterfaceType));
        references.AddRange(type.Fields.Select(f => f.FieldType));
        foreach (var method in type.Methods)
        {
            references.Add(method.ReturnType);
            references.AddRange(method.Parameters.Select(p => p.ParameterType));
            if (!method.HasBody)
            {
                continue;
            }
            references.AddRange(method.Body.Variables.Select(v => v.VariableType));
            foreach (var instruction in method.Body.Instructions)
            {
                switch (instruction.Operand)
                {
                    case TypeReference t:
                        references.Add(t);
                        break;
                    case MethodReference m:
                        references.Add(m.DeclaringType);
                        references.Add(m.ReturnType);
                        if (m is GenericInstanceMethod g)
                        {
                            references.AddRange(g.GenericArguments);
                        }
                        break;
                    case FieldReference f:
                        references.Add(f.DeclaringType);
                        break;
                }
            }
        }
        return references.OfType<TypeReference>().SelectMany(Flatten).Distinct();
    }

    private static IEnumerable<string> Flatten(TypeReference type)
    {
        if (type is GenericInstanceType generic)
        {
            foreach (var argument in generic.GenericArguments.SelectMany(Flatten))
            {
                yield return argument;
            }
        }
        var element = type.GetElementType();
        while (element.DeclaringType is not null)
        {
            element = element.DeclaringType;
        }
        yield return element.FullName;
    }
}
