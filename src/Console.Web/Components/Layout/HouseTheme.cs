using MudBlazor;

namespace DeepLab.Web.Components.Layout;

/// <summary>MudBlazor's palette set to the colours of `wwwroot/app.css`; the two are kept alike by hand.</summary>
public static class HouseTheme
{
    private static readonly string[] s_fonts = ["Inter", "system-ui", "sans-serif"];

    public static MudTheme Theme { get; } =
        new()
        {
            PaletteLight = new PaletteLight
            {
                Primary = "#0a62c0",
                Secondary = "#48566a",
                Tertiary = "#0a62c0",
                Info = "#0a62c0",
                Success = "#14773f",
                Warning = "#8f5200",
                Error = "#c12a2a",
                Background = "#f5f6f8",
                BackgroundGray = "#eef0f3",
                Surface = "#ffffff",
                TextPrimary = "#17202b",
                TextSecondary = "#48566a",
                TextDisabled = "#8a95a3",
                ActionDefault = "#48566a",
                LinesDefault = "#dfe3e8",
                LinesInputs = "#b9c2cc",
                TableLines = "#dfe3e8",
                Divider = "#dfe3e8",
                OverlayDark = "rgba(15,20,26,0.45)",
            },
            PaletteDark = new PaletteDark
            {
                Primary = "#5caaf8",
                PrimaryContrastText = "#0b1118",
                Secondary = "#a9b4c2",
                Tertiary = "#5caaf8",
                Info = "#5caaf8",
                Success = "#4cc38a",
                Warning = "#e8b04b",
                Error = "#f47a7c",
                ErrorContrastText = "#0b1118",
                Background = "#0e1318",
                BackgroundGray = "#1b232c",
                Surface = "#151b22",
                TextPrimary = "#e4e9ef",
                TextSecondary = "#a9b4c2",
                TextDisabled = "#6d7988",
                ActionDefault = "#a9b4c2",
                LinesDefault = "#27303a",
                LinesInputs = "#44505d",
                TableLines = "#27303a",
                Divider = "#27303a",
                OverlayDark = "rgba(0,0,0,0.6)",
            },
            LayoutProperties = new LayoutProperties { DefaultBorderRadius = "6px" },
            Typography = new Typography
            {
                Default = new DefaultTypography
                {
                    FontFamily = s_fonts,
                    FontSize = "0.875rem",
                    LineHeight = "1.45",
                    LetterSpacing = "normal",
                },
                Body1 = new Body1Typography
                {
                    FontFamily = s_fonts,
                    FontSize = "0.875rem",
                    LineHeight = "1.45",
                    LetterSpacing = "normal",
                },
                Body2 = new Body2Typography
                {
                    FontFamily = s_fonts,
                    FontSize = "0.8125rem",
                    LineHeight = "1.45",
                    LetterSpacing = "normal",
                },
                H6 = new H6Typography
                {
                    FontFamily = s_fonts,
                    FontSize = "1rem",
                    FontWeight = "600",
                },
                Button = new ButtonTypography
                {
                    FontFamily = s_fonts,
                    FontSize = "0.8125rem",
                    FontWeight = "500",
                    TextTransform = "none",
                    LetterSpacing = "0",
                },
            },
        };
}
