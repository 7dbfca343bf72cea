import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import deeplab


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patch = mock.patch.dict(os.environ, {"DEEPLAB_CHECKPOINT_DIR": str(self.folder / "kept")})
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, name, content=b"x"):
        deeplab.save(deeplab.checkpoint_dir() / name, lambda file: file.write(content))

    def test_none_where_no_folder_is_given(self):
        del os.environ["DEEPLAB_CHECKPOINT_DIR"]
        self.assertIsNone(deeplab.checkpoint_dir())
        self.assertIsNone(deeplab.resume_from())

    def test_every_has_a_default(self):
        self.assertEqual(deeplab.checkpoint_every(7), 7)
        with mock.patch.dict(os.environ, {"DEEPLAB_CHECKPOINT_EVERY": "25"}):
            self.assertEqual(deeplab.checkpoint_every(7), 25)

    def test_newest_goes_by_step_and_not_by_spelling(self):
        for step in (900, 1000, 100):
            self.write(f"step-{step}.pt")
        self.assertEqual(deeplab.resume_from().name, "step-1000.pt")

    def test_asked_for_comes_first_and_must_exist(self):
        self.write("step-5.pt")
        other = self.folder / "step-2.pt"
        other.write_bytes(b"y")
        with mock.patch.dict(os.environ, {"DEEPLAB_RESUME_FROM": str(other)}):
            self.assertEqual(deeplab.resume_from(), other)
        with mock.patch.dict(os.environ, {"DEEPLAB_RESUME_FROM": str(self.folder / "kept")}):
            self.assertEqual(deeplab.resume_from().name, "step-5.pt")
        with mock.patch.dict(os.environ, {"DEEPLAB_RESUME_FROM": str(self.folder / "gone.pt")}):
            self.assertRaises(FileNotFoundError, deeplab.resume_from)

    def test_failed_save_leaves_the_old_one(self):
        self.write("step-1.pt", b"old")

        def fail(file):
            file.write(b"new")
            raise OSError("disk full")

        self.assertRaises(OSError, deeplab.save, deeplab.checkpoint_dir() / "step-1.pt", fail)
        self.assertEqual(deeplab.resume_from().read_bytes(), b"old")
        self.assertEqual(len(list(deeplab.checkpoint_dir().iterdir())), 1)

    def test_leftover_of_a_killed_save_is_no_checkpoint(self):
        self.write("step-1.pt")
        (deeplab.checkpoint_dir() / "step-2.pt.17.unfinished").write_bytes(b"half")
        self.assertEqual(deeplab.resume_from().name, "step-1.pt")

    def test_prune_keeps_the_newest(self):
        for step in (1, 2, 10, 11):
            self.write(f"step-{step}.pt")
        deeplab.prune(deeplab.checkpoint_dir(), 2)
        self.assertEqual(sorted(p.name for p in deeplab.checkpoint_dir().iterdir()), ["step-10.pt", "step-11.pt"])


if __name__ == "__main__":
    unittest.main()
