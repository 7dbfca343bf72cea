import json
import os
import struct
import tempfile
import threading
import time
import unittest

from deeplab import SummaryWriter, read_scalars
from deeplab.events import _fields, _records, crc32c


class EventFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_crc_is_castagnoli(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)  # the check value of the CRC catalogue
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)     # RFC 3720, B.4

    def test_scalars_come_back_with_step_and_float32_value(self):
        with SummaryWriter(self.folder.name) as writer:
            writer.add_scalar("train/loss", 0.1, 1)
            writer.add_scalar("train/loss", float("nan"), 2)
            writer.add_scalar("größe", 3, 1 << 40)
        scalars = read_scalars(self.folder.name)
        self.assertEqual(scalars["train/loss"][0], (1, struct.unpack("<f", struct.pack("<f", 0.1))[0]))
        self.assertNotEqual(scalars["train/loss"][1][1], scalars["train/loss"][1][1])
        self.assertEqual(scalars["größe"], [(1 << 40, 3.0)])

    def test_first_record_names_the_version(self):
        writer = SummaryWriter(self.folder.name)
        first = dict(_fields(next(_records(writer.path))))
        self.assertEqual(first[3], b"brain.Event:2")
        writer.close()

    def test_log_dir_comes_from_the_environment(self):
        os.environ["DEEPLAB_LOG_DIR"] = os.path.join(self.folder.name, "logs")
        self.addCleanup(os.environ.pop, "DEEPLAB_LOG_DIR")
        with SummaryWriter() as writer:
            self.assertTrue(writer.path.startswith(os.environ["DEEPLAB_LOG_DIR"]))

    def test_values_reach_the_file_without_flush(self):
        writer = SummaryWriter(self.folder.name, flush_secs=0.05)
        self.addCleanup(writer.close)
        writer.add_scalar("a", 1, 1)
        end = time.monotonic() + 10
        while "a" not in read_scalars(self.folder.name):
            self.assertLess(time.monotonic(), end)

    def test_threads_do_not_tear_records(self):
        with SummaryWriter(self.folder.name, flush_secs=0.01) as writer:
            def work(name):
                for step in range(500):
                    writer.add_scalar(name, step, step)
            threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        scalars = read_scalars(self.folder.name)
        for i in range(8):
            self.assertEqual([step for step, _ in scalars[f"t{i}"]], list(range(500)))

    def test_two_writers_take_two_files(self):
        with SummaryWriter(self.folder.name) as one, SummaryWriter(self.folder.name) as other:
            self.assertNotEqual(one.path, other.path)

    def test_cut_record_is_left_out_and_damage_is_told(self):
        with SummaryWriter(self.folder.name) as writer:
            writer.add_scalar("a", 1, 1)
            writer.add_scalar("a", 2, 2)
        size = os.path.getsize(writer.path)
        os.truncate(writer.path, size - 3)
        self.assertEqual(read_scalars(self.folder.name)["a"], [(1, 1.0)])
        with open(writer.path, "r+b") as file:
            file.seek(30)
            file.write(b"\xff")
        with self.assertRaisesRegex(ValueError, "damaged"):
            read_scalars(self.folder.name)

    def test_histogram_counts_everything_finite(self):
        with SummaryWriter(self.folder.name) as writer:
            writer.add_histogram("h", [[1.0, 2.0], [3.0, float("nan")]], 5, bins=2)
            writer.add_histogram("same", [4.0, 4.0], 5)
            writer.add_histogram("none", [], 5)
        found = {}
        for record in _records(writer.path):
            event = dict(_fields(record))
            for _, value in _fields(event.get(5, b"")):
                parts = dict(_fields(value))
                found[parts[1].decode()] = dict(_fields(parts[5]))
        number = lambda data: struct.unpack("<d", data)[0]
        self.assertEqual([number(found["h"][i]) for i in (1, 2, 3, 4, 5)], [1.0, 3.0, 3.0, 6.0, 14.0])
        self.assertEqual(struct.unpack("<2d", found["h"][6]), (2.0, 3.0))
        self.assertEqual(struct.unpack("<2d", found["h"][7]), (1.0, 2.0))
        self.assertEqual(sum(struct.unpack("<30d", found["same"][7])), 2.0)
        self.assertEqual(number(found["none"][3]), 0.0)

    def test_text_is_a_string_tensor_of_the_text_plugin(self):
        with SummaryWriter(self.folder.name) as writer:
            writer.add_text("config", json.dumps({"lr": 1}), 0)
        *_, record = _records(writer.path)
        value = dict(_fields(dict(_fields(dict(_fields(record))[5]))[1]))
        self.assertEqual(value[1], b"config/text_summary")
        self.assertEqual(dict(_fields(dict(_fields(value[9]))[1]))[1], b"text")
        self.assertEqual(dict(_fields(value[8]))[8], b'{"lr": 1}')

    def test_resumed_run_marks_what_it_writes_again(self):
        writer = SummaryWriter(self.folder.name, purge_step=200)
        writer.close()
        _, session = _records(writer.path)
        event = dict(_fields(session))
        self.assertEqual((event[2], dict(_fields(event[7]))), (200, {1: 1}))

    def test_adding_after_close_is_refused(self):
        writer = SummaryWriter(self.folder.name)
        writer.close()
        writer.close()
        with self.assertRaises(ValueError):
            writer.add_scalar("a", 1, 1)


if __name__ == "__main__":
    unittest.main()
