using DeepLab.Browser.Tests;

// One console, one browser, two cores
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(ConsoleProcess))]
[assembly: AssemblyFixture(typeof(Chromium))]
