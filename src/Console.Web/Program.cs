using System.Security.Claims;
using DeepLab.Core;
using DeepLab.Core.Operations.Accounts;
using DeepLab.Core.Operations.Fleet;
using DeepLab.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Mvc;

// Stands in for the composition root until the doors have landed
var builder = WebApplication.CreateBuilder(args);
builder.Services.AddDeepLabCore(ConsoleOptions.FromEnvironment(Environment.GetEnvironmentVariable));
builder
    .Services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme)
    .AddCookie(o => o.LoginPath = "/sign-in");
builder.Services.AddAuthorization();
builder.Services.AddDeepLabPages();
var app = builder.Build();
await app.Services.GetRequiredService<Bootstrap>().RunAsync(CancellationToken.None);
await app.Services.GetRequiredService<UserVerbs>().CreateFirstAdminAsync("admin", "-", CancellationToken.None);
app.UseAuthentication();
app.UseAuthorization();
app.MapGet("/health/live", () => "ok");
app.MapPost(
    "/sign-in",
    async ([FromForm] string userName, [FromForm] string? returnUrl, HttpContext http, UserVerbs users) =>
    {
        var user = await users.FindByNameAsync(userName, http.RequestAborted);
        if (user is null)
        {
            return Results.LocalRedirect("/sign-in?error=wrong");
        }
        Claim[] claims =
        [
            new(ClaimTypes.NameIdentifier, user.Id.ToString()),
            new(ClaimTypes.Name, user.UserName),
            new(ClaimTypes.Role, user.Role.ToString()),
        ];
        await http.SignInAsync(
            new ClaimsPrincipal(new ClaimsIdentity(claims, CookieAuthenticationDefaults.AuthenticationScheme))
        );
        return Results.LocalRedirect(returnUrl ?? "/");
    }
);
app.MapDeepLabPages();
await app.RunAsync();
