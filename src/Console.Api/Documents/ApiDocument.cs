using System.Text.Json.Nodes;
using DeepLab.Api.Auth;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace DeepLab.Api.Documents;

/// <summary>The OpenAPI document at `/openapi/v1.json` and a page to read and try it at `/openapi`. For whoever signed in.</summary>
internal static class ApiDocument
{
    private const string Root = "/openapi";

    public static void AddApiDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        services.AddSwaggerGen(o =>
        {
            o.SwaggerDoc(
                "v1",
                new OpenApiInfo
                {
                    Title = "DeepLab console",
                    Version = "v1",
                    Description =
                        "Jobs on GPU machines. Errors are problems (RFC 9457); `errors` lists what is wrong with the input, each with its path. "
                        + "Lists are `{ items, next }`: pass `next` as `cursor`.",
                }
            );
            o.DescribeAllParametersInCamelCase();
            o.SupportNonNullableReferenceTypes();
            o.CustomSchemaIds(SchemaId);
            o.MapType<TimeSpan>(() => new OpenApiSchema { Type = JsonSchemaType.String, Examples = ["02:00:00"] });
            o.AddSecurityDefinition(
                "token",
                new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "bearer",
                    BearerFormat = "dl_…",
                    Description = "A token of POST /api/v1/session or of the console's pages.",
                }
            );
            o.AddSecurityRequirement(document => new OpenApiSecurityRequirement
            {
                [new OpenApiSecuritySchemeReference("token", document)] = [],
            });
            o.IncludeXmlComments(typeof(ApiDocument).Assembly);
            o.OperationFilter<JobExample>();
        });
    }

    public static void MapApiDocument(this WebApplication app)
    {
        app.MapSwagger("/openapi/{documentName}.json").RequireAuthorization();
        // The page is a middleware without an endpoint, which no policy of endpoints would cover
        app.UseWhen(
            c => c.Request.Path.StartsWithSegments(Root) && c.GetEndpoint() is null,
            branch =>
            {
                branch.Use(
                    async (context, next) =>
                    {
                        if (context.User.Identity is { IsAuthenticated: true })
                        {
                            await next(context);
                        }
                        else
                        {
                            await context.ChallengeAsync();
                        }
                    }
                );
                branch.UseSwaggerUI(o =>
                {
                    o.RoutePrefix = Root.TrimStart('/');
                    o.DocumentTitle = "DeepLab API";
                    o.SwaggerEndpoint("/openapi/v1.json", "DeepLab console v1");
                });
            }
        );
    }

    /// <summary>`Page` of jobs is `JobRowPage`; the rest have their own names.</summary>
    private static string SchemaId(Type type) =>
        type.IsGenericType
            ? string.Concat(type.GetGenericArguments().Select(SchemaId)) + type.Name.Split('`')[0]
            : type.Name;

    private sealed class JobExample : IOperationFilter
    {
        private const string Job = """
            { "name": "digits", "cluster": "local", "image": "pytorch-cpu",
              "script": "#!/usr/bin/env python3\nprint('hello')\n",
              "roles": [ { "name": "worker", "replicas": 1, "command": [],
                           "resources": { "gpus": 1, "cpus": 1, "memory": "2GiB", "shm": "1GiB" } } ],
              "env": { "EPOCHS": "5" }, "restart": { "maxRestarts": 3 }, "priority": 50, "maxDuration": "02:00:00" }
            """;

        public void Apply(OpenApiOperation operation, OperationFilterContext context)
        {
            if (operation.OperationId != "SubmitJob" || operation.RequestBody?.Content is not { } content)
            {
                return;
            }
            foreach (var (_, media) in content)
            {
                if (media is OpenApiMediaType body)
                {
                    // What is read is SpecReader's to say: memory is text as well as a number
                    body.Schema = new OpenApiSchema { Type = JsonSchemaType.Object };
                    body.Example = JsonNode.Parse(Job);
                }
            }
        }
    }
}
