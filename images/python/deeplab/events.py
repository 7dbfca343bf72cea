"""Event files as TensorBoard reads them: records framed with a masked CRC-32C, each a protobuf `Event`, encoded by hand."""
import atexit
import glob
import math
import os
import socket
import struct
import threading
import time

_WIRE_VARINT, _WIRE_DOUBLE, _WIRE_BYTES, _WIRE_FLOAT = 0, 1, 2, 5


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_TABLE = _crc_table()


def crc32c(data):
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _key(field, wire):
    return _varint(field << 3 | wire)


def _integer(field, number):  # negative numbers are sent as 64 bits
    return _key(field, _WIRE_VARINT) + _varint(number & 0xFFFFFFFFFFFFFFFF)


def _bytes(field, data):
    return _key(field, _WIRE_BYTES) + _varint(len(data)) + data


def _double(field, number):
    return _key(field, _WIRE_DOUBLE) + struct.pack("<d", number)


def _float(field, number):
    return _key(field, _WIRE_FLOAT) + struct.pack("<f", number)


def _doubles(field, numbers):
    return _bytes(field, struct.pack(f"<{len(numbers)}d", *numbers))


def _numbers(values):
    """Every finite number of a list, nested lists, an array or a tensor."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, (int, float)):
        return [float(values)] if math.isfinite(values) else []
    return [number for value in values for number in _numbers(value)]


def _histogram(numbers, bins):
    """HistogramProto: min 1, max 2, num 3, sum 4, sum of squares 5, right edges 6, counts 7."""
    if not numbers:
        return _double(3, 0.0)
    low, high = min(numbers), max(numbers)
    width = (high - low) / bins or 1.0 / bins  # all alike: one unit wide, so that the edges differ
    counts = [0.0] * bins
    for number in numbers:
        counts[min(int((number - low) / width), bins - 1)] += 1
    edges = [low + width * (i + 1) for i in range(bins)]
    return (_double(1, low) + _double(2, high) + _double(3, float(len(numbers))) + _double(4, math.fsum(numbers))
            + _double(5, math.fsum(n * n for n in numbers)) + _doubles(6, edges) + _doubles(7, counts))


class SummaryWriter:
    """Appends to one event file in `log_dir` (default $DEEPLAB_LOG_DIR, else ./runs). May be used from several threads.

    What was added is in the file after at most `flush_secs` seconds. `purge_step` is for a run that was resumed: readers then
    drop what earlier files of the folder hold from that step on, since it is about to be written again.
    """

    def __init__(self, log_dir=None, flush_secs=1.0, purge_step=None):
        self.log_dir = os.fspath(log_dir or os.environ.get("DEEPLAB_LOG_DIR") or "runs")
        os.makedirs(self.log_dir, exist_ok=True)
        self._flush_secs = flush_secs
        self._lock = threading.Lock()
        self._pending = bytearray()
        self._ended = threading.Event()
        self._file, self.path = self._create()
        self._add(_bytes(3, b"brain.Event:2"), None)
        if purge_step is not None:
            self._add(_bytes(7, _integer(1, 1)), purge_step)  # SessionLog, START
        self.flush()
        self._flusher = threading.Thread(target=self._flush_by_time, name="event-file", daemon=True)
        self._flusher.start()
        atexit.register(self.close)

    def add_scalar(self, tag, value, global_step=0, walltime=None):
        self._add_value(tag, _float(2, float(value)), b"", global_step, walltime)

    def add_text(self, tag, text, global_step=0, walltime=None):
        tensor = _integer(1, 7) + _bytes(2, _bytes(2, _integer(1, 1))) + _bytes(8, text.encode())  # DT_STRING, shape [1]
        metadata = _bytes(9, _bytes(1, _bytes(1, b"text")))
        self._add_value(tag + "/text_summary", _bytes(8, tensor), metadata, global_step, walltime)

    def add_histogram(self, tag, values, global_step=0, bins=30, walltime=None):
        self._add_value(tag, _bytes(5, _histogram(_numbers(values), bins)), b"", global_step, walltime)

    def flush(self):
        with self._lock:
            self._write_pending()

    def close(self):
        self._ended.set()
        with self._lock:
            if self._file is not None:
                self._write_pending()
                os.close(self._file)
                self._file = None
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _create(self):
        """A name that sorts by time after those of earlier attempts, and that no other process takes."""
        stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        number = 0
        while True:
            path = os.path.join(self.log_dir, f"{stem}.{number}")
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644), path
            except FileExistsError:
                number += 1

    def _add_value(self, tag, value, metadata, step, walltime):
        self._add(_bytes(5, _bytes(1, _bytes(1, tag.encode()) + metadata + value)), step, walltime)

    def _add(self, what, step, walltime=None):
        event = _double(1, time.time() if walltime is None else walltime)
        if step is not None:
            event += _integer(2, int(step))
        event += what
        length = struct.pack("<Q", len(event))
        record = length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))
        with self._lock:
            if self._file is None:
                raise ValueError("the writer is closed")
            self._pending += record
            if len(self._pending) > 1 << 20:
                self._write_pending()

    def _write_pending(self):  # whole records only: who reads beside us meets at most one that is cut
        while self._pending and self._file is not None:
            written = os.write(self._file, self._pending)
            del self._pending[:written]

    def _flush_by_time(self):
        while not self._ended.wait(self._flush_secs):
            self.flush()


def _fields(data):
    """(field, value) of one protobuf message; bytes for what has a length."""
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = varint()
        wire = key & 7
        if wire == _WIRE_VARINT:
            value = varint()
        else:
            size = {_WIRE_DOUBLE: 8, _WIRE_FLOAT: 4}.get(wire) or varint()
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def _records(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + 12 <= len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        event = data[at + 12:at + 12 + size]
        check = data[at + 12 + size:at + 16 + size]
        if len(check) < 4:
            return  # still being written, or cut off by a kill
        if struct.unpack_from("<I", data, at + 8)[0] != masked_crc(data[at:at + 8]) or struct.unpack("<I", check)[0] != masked_crc(event):
            raise ValueError(f"{path}: damaged record at byte {at}")
        yield event
        at += 16 + size


def read_scalars(log_dir):
    """{tag: [(step, value), ...]} of all event files of a folder in the order of their names, with repeats as they stand."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(os.fspath(log_dir)), "events.out.tfevents.*"))):
        for record in _records(path):
            event = dict(_fields(record))
            for _, value in _fields(event.get(5, b"")):
                parts = dict(_fields(value))
                if 2 in parts:
                    (number,) = struct.unpack("<f", parts[2])
                    found.setdefault(parts[1].decode(), []).append((event.get(2, 0), number))
    return found
