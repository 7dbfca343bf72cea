// One engine and two cores: tests that measure time or wait for an engine must not fight over them
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
