#!/usr/bin/env python3
"""Proves that train.py resumes exactly: python3 test_resume.py, in an image that has PyTorch and the deeplab package.

One run is left alone; another is killed four times, by SIGKILL and by SIGTERM. The losses of all steps and the weights at the
end must be the same to the last bit.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import deeplab
from deeplab import read_scalars

TRAIN = Path(__file__).with_name("train.py")
EPOCHS = 15
STEPS_PER_EPOCH = 1437 // 32


class Run:
    """train.py with folders of its own."""

    def __init__(self, folder):
        self.logs, self.checkpoints = Path(folder, "logs"), Path(folder, "checkpoints")
        self.environment = {**os.environ, "DEEPLAB_LOG_DIR": str(self.logs), "DEEPLAB_CHECKPOINT_DIR": str(self.checkpoints),
                            "DEEPLAB_CHECKPOINT_EVERY": "50"}

    def start(self):
        return subprocess.Popen([sys.executable, str(TRAIN), "--epochs", str(EPOCHS)], env=self.environment,
                                stdout=subprocess.PIPE, text=True)

    def until(self, epoch, number):
        """Starts it, sends the signal once it has printed that epoch's line, and gives (exit code, output)."""
        with self.start() as process:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if re.match(rf"epoch +{epoch}/", line):
                    process.send_signal(number)
        return process.returncode, "".join(lines)

    def finish(self):
        with self.start() as process:
            output = process.stdout.read()
        return process.returncode, output


class Resume(unittest.TestCase):
    def test_killed_and_resumed_equals_undisturbed(self):
        with tempfile.TemporaryDirectory() as folder:
            calm, killed = Run(Path(folder, "calm")), Run(Path(folder, "killed"))
            code, calm_output = calm.finish()
            self.assertEqual(code, 0, calm_output)

            lost = 0  # steps that a resumed run computed a second time
            for epoch, number in ((3, signal.SIGKILL), (5, signal.SIGKILL), (7, signal.SIGKILL), (9, signal.SIGTERM)):
                code, output = killed.until(epoch, number)
                self.assertEqual(code, 143 if number == signal.SIGTERM else -number, output)
                lost += max(0, epoch * STEPS_PER_EPOCH - int(deeplab.newest(killed.checkpoints).stem.removeprefix("step-")))
            code, output = killed.finish()
            self.assertEqual(code, 0, output)
            self.assertIn("resumed from", output)
            self.assertGreater(lost, 0, "the kills cost no step: nothing was proven")

            last = lambda text: text.strip().splitlines()[-1]
            self.assertEqual(last(output), last(calm_output))
            accuracy = float(re.search(r"accuracy ([0-9.]+)", last(output)).group(1))
            self.assertGreater(accuracy, 0.95)

            expected, found = read_scalars(calm.logs), read_scalars(killed.logs)
            self.assertEqual(set(expected), {"train/loss", "train/learning_rate", "test/loss", "test/accuracy"})
            for tag, points in expected.items():
                self.assertEqual(dict(found[tag]), dict(points), tag)
                # What a resumed run computed again must be what it computed before, too.
                self.assertEqual(set(found[tag]), set(points), tag)
            self.assertEqual(len(list(killed.logs.iterdir())), 5)
            print(f"{len(expected['train/loss'])} losses equal though {lost} steps were lost, {last(output)}")

    def test_without_checkpoint_folder_it_keeps_none(self):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder)
            del run.environment["DEEPLAB_CHECKPOINT_DIR"]
            code, output = run.until(1, signal.SIGTERM)
            self.assertEqual(code, 143, output)
            self.assertFalse(run.checkpoints.exists())


if __name__ == "__main__":
    unittest.main()
