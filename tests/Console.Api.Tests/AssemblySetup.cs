[assembly: AssemblyFixture(typeof(DeepLab.Api.Tests.ApiHost))]
