using DeepLab.Core.Operations;

namespace DeepLab.Web.Components.Pages.Environments.New;

/// <param name="Image">null = one that is not in the catalogue</param>
public sealed record ImageChoice(ImageView? Image);
