using System.Buffers.Binary;

namespace DeepLab.Core.Metrics;

/// <summary>
/// Cuts a growing event file into its records: length, masked checksum of the length, data, masked checksum of the data.
/// Bytes may come in pieces of any size. A record above <see cref="MostKept"/> is checked but passed over: it holds an
/// image or a graph, and scalars do not get so long.
/// </summary>
public sealed class EventFileRecords
{
    /// <summary>A file that announces a longer record is taken for damaged.</summary>
    public const long MostRecord = 64 << 20;
    public const int MostKept = 1 << 20;

    /// <summary>Bytes from the beginning of a record passed over that are told of it.</summary>
    public const int MostHead = 1 << 10;

    private const int Header = 12;
    private const int Checksum = 4;
    private byte[] _kept = [];
    private int _held;
    private long _needed = Header;
    private long _passing;
    private uint _passed;
    private byte[] _head = [];
    private int _headed;

    /// <param name="offset">where a record begins</param>
    public EventFileRecords(long offset) => (Offset, Position) = (offset, offset);

    public delegate void OnRecord(ReadOnlySpan<byte> data);

    /// <summary>Bytes of whole records: where a reader that begins anew goes on.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes taken; those behind <see cref="Offset"/> belong to a record that is not whole yet.</summary>
    public long Position { get; private set; }

    /// <summary>A checksum or a length did not hold. Nothing behind it can be found, so no more is taken.</summary>
    public bool Damaged { get; private set; }

    /// <summary>Records passed over for their size.</summary>
    public long PassedOver { get; private set; }

    /// <param name="onPassed">of each record that was passed over, how it begins; null where nobody asks</param>
    public void Append(ReadOnlySpan<byte> bytes, OnRecord onRecord, OnRecord? onPassed = null)
    {
        while (!Damaged && bytes.Length > 0)
        {
            var taken =
                _passing > 0 ? Pass(bytes, onPassed)
                : _held > 0 ? Complete(bytes, onRecord)
                : Cut(bytes, onRecord);
            Position += taken;
            bytes = bytes[taken..];
        }
    }

    /// <summary>Takes whole records straight from the piece; keeps what is left of it.</summary>
    private int Cut(ReadOnlySpan<byte> bytes, OnRecord onRecord)
    {
        var at = 0;
        while (bytes.Length - at >= Header)
        {
            if (!ReadHeader(bytes[at..]))
            {
                return bytes.Length;
            }
            if (_passing > 0)
            {
                return at + Header;
            }
            if (bytes.Length - at < _needed)
            {
                break;
            }
            if (!Deliver(bytes.Slice(at, (int)_needed), onRecord))
            {
                return bytes.Length;
            }
            at += (int)_needed;
            _needed = Header;
        }
        Keep(bytes[at..]);
        return bytes.Length;
    }

    /// <summary>Adds to the record that is being kept.</summary>
    private int Complete(ReadOnlySpan<byte> bytes, OnRecord onRecord)
    {
        var take = (int)Math.Min(bytes.Length, _needed - _held);
        Keep(bytes[..take]);
        if (_held < _needed)
        {
            return take;
        }
        if (_needed == Header)
        {
            ReadHeader(_kept);
            if (_passing > 0)
            {
                _held = 0;
            }
            return take;
        }
        Deliver(_kept.AsSpan(0, _held), onRecord);
        _held = 0;
        _needed = Header;
        return take;
    }

    private int Pass(ReadOnlySpan<byte> bytes, OnRecord? onPassed)
    {
        var take = (int)Math.Min(bytes.Length, _passing);
        var data = (int)Math.Clamp(_passing - Checksum, 0, take);
        _passed = Crc32C.Append(_passed, bytes[..data]);
        var head = Math.Min(data, MostHead - _headed);
        bytes[..head].CopyTo(_head.AsSpan(_headed));
        _headed += head;
        // The checksum itself may come in pieces
        Keep(bytes[data..take]);
        _passing -= take;
        if (_passing == 0)
        {
            Damaged = BinaryPrimitives.ReadUInt32LittleEndian(_kept) != Crc32C.Mask(_passed);
            PassedOver++;
            Offset += Damaged ? 0 : _needed;
            if (!Damaged)
            {
                onPassed?.Invoke(_head.AsSpan(0, _headed));
            }
            _held = 0;
            _needed = Header;
        }
        return take;
    }

    private bool ReadHeader(ReadOnlySpan<byte> header)
    {
        var length = BinaryPrimitives.ReadUInt64LittleEndian(header);
        var masked = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (masked != Crc32C.Mask(Crc32C.Append(0, header[..8])) || length > MostRecord)
        {
            Damaged = true;
            return false;
        }
        _needed = Header + (long)length + Checksum;
        if (length > MostKept)
        {
            _passing = _needed - Header;
            _passed = 0;
            _head = _head.Length > 0 ? _head : new byte[MostHead];
            _headed = 0;
        }
        return true;
    }

    private bool Deliver(ReadOnlySpan<byte> record, OnRecord onRecord)
    {
        var data = record[Header..^Checksum];
        if (BinaryPrimitives.ReadUInt32LittleEndian(record[^Checksum..]) != Crc32C.Mask(Crc32C.Append(0, data)))
        {
            Damaged = true;
            return false;
        }
        onRecord(data);
        Offset += record.Length;
        return true;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_kept.Length < _held + bytes.Length)
        {
            Array.Resize(ref _kept, (int)Math.Max(_held + bytes.Length, Math.Min(_needed, 2L * _kept.Length + 256)));
        }
        bytes.CopyTo(_kept.AsSpan(_held));
        _held += bytes.Length;
    }
}
