namespace DeepLab.Core.Workloads;

/// <summary>Reads another stream up to a limit, and refuses where there is more. Leaves the other one open.</summary>
internal sealed class CodeBudget(Stream inner, long most, string refusal) : ReadOnlyStream
{
    private long _read;

    public override async ValueTask<int> ReadAsync(
        Memory<byte> buffer,
        CancellationToken cancellationToken = default
    ) => Count(await inner.ReadAsync(buffer, cancellationToken));

    public override int Read(byte[] buffer, int offset, int count) => Count(inner.Read(buffer, offset, count));

    private int Count(int read)
    {
        _read += read;
        return _read <= most ? read : throw new CodeRefusedException(refusal);
    }
}
