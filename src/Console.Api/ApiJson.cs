using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;

namespace DeepLab.Api;

/// <summary>
/// JSON of the API: camelCase keys, enums by name as in the documentation (`Queued`), times in ISO 8601. Input is strict:
/// unknown, doubled and case-varied keys are errors. Not-a-number, as a diverged loss has it, is written as "NaN".
/// </summary>
internal static class ApiJson
{
    public static void Set(JsonSerializerOptions o)
    {
        o.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        o.PropertyNameCaseInsensitive = false;
        o.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        o.AllowDuplicateProperties = false;
        o.NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals;
        o.RespectNullableAnnotations = true;
        o.RespectRequiredConstructorParameters = true;
        o.MaxDepth = 32;
        o.Converters.Add(new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false));
    }

    public static void AddApiJson(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(o => Set(o.SerializerOptions));
        // Swashbuckle looks here for the names of enums
        services.Configure<Microsoft.AspNetCore.Mvc.JsonOptions>(o => Set(o.JsonSerializerOptions));
    }
}
