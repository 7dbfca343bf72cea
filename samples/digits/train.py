#!/usr/bin/env python3
"""A classifier of handwritten digits: small, real, and exactly resumable.

Every step writes loss and learning rate, every epoch the accuracy on digits it never trained on, as curves for the console.
A run that was killed and resumed computes bit for bit what an undisturbed one does: the checkpoint holds model, optimizer,
schedule and random state, and the order of an epoch's samples follows from the seed and the epoch alone.
"""
import argparse
import gzip
import hashlib
import math
import os
import signal
import sys
import time

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this, set before it starts

import deeplab
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TRAINING_SAMPLES = 1437  # of 1797: four fifths


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/opt/deeplab/data/digits.csv.gz")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3, help="the highest learning rate, reached after one epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=int, default=3, help="how many checkpoints stay")
    return parser.parse_args()


def load_digits(path):
    """Images of 8x8 with values 0..1 and their digits, shuffled once and for all."""
    with gzip.open(path, "rt") as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.float32))
    table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(42))]
    images, digits = table[:, :64].reshape(-1, 1, 8, 8) / 16, table[:, 64].long()
    return (images[:TRAINING_SAMPLES], digits[:TRAINING_SAMPLES]), (images[TRAINING_SAMPLES:], digits[TRAINING_SAMPLES:])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Dropout(0.4), nn.Linear(128, 10))

    def forward(self, images):
        return self.head(self.convolutions(images))


def shift(images):
    """The batch moved by up to one pixel each way, with blank edges: the net should not learn where a digit stands."""
    down, right = torch.randint(0, 3, (2,)).tolist()
    return F.pad(images, (1, 1, 1, 1))[:, :, down:down + 8, right:right + 8]


class Training:
    def __init__(self, options):
        self.options = options
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        (self.images, self.digits), (self.test_images, self.test_digits) = (
            (images.to(self.device), digits.to(self.device)) for images, digits in load_digits(options.data))
        self.steps_per_epoch = len(self.images) // options.batch
        self.total = options.epochs * self.steps_per_epoch
        self.step = 0
        self.epoch_loss = 0.0  # summed over the epoch so far
        self.net = Net().to(self.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=options.lr)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self.pace)
        self.folder = deeplab.checkpoint_dir()
        self.checkpoint_every = deeplab.checkpoint_every()

    def pace(self, step):
        """Share of the highest learning rate: up through the first epoch, then down along a cosine."""
        warm = self.steps_per_epoch
        if step < warm:
            return (step + 1) / warm
        return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, self.total - warm))

    def order(self, epoch):
        return torch.randperm(len(self.images), generator=torch.Generator().manual_seed(self.options.seed * 100003 + epoch))

    def train_step(self, indices):
        self.net.train()
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(shift(self.images[indices])), self.digits[indices])
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def test(self):
        self.net.eval()
        scores = self.net(self.test_images)
        return F.cross_entropy(scores, self.test_digits).item(), (scores.argmax(1) == self.test_digits).float().mean().item()

    def save(self):
        if self.folder is None:
            return
        state = {
            "step": self.step, "epoch_loss": self.epoch_loss, "options": vars(self.options),
            "net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(), "random_cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        deeplab.save(self.folder / f"step-{self.step:06d}.pt", lambda file: torch.save(state, file))
        deeplab.prune(self.folder, self.options.keep)

    def resume(self):
        """True when there was a checkpoint to go on from."""
        path = deeplab.resume_from()
        if path is None:
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] and self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.step, self.epoch_loss = state["step"], state["epoch_loss"]
        print(f"resumed from {path} at step {self.step}", flush=True)
        return True

    def fingerprint(self):
        """The same weights to the last bit give the same eight digits."""
        weights = b"".join(value.cpu().numpy().tobytes() for value in self.net.state_dict().values())
        return hashlib.sha256(weights).hexdigest()[:8]


def run(options):
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))

    stop = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))

    training = Training(options)
    resumed = training.resume()
    print(f"training on {training.device}: {len(training.images)} digits, {training.total} steps of {options.batch}", flush=True)
    writer = deeplab.SummaryWriter(purge_step=training.step + 1 if resumed else None)
    if not resumed:
        writer.add_text("options", " ".join(f"{name}={value}" for name, value in sorted(vars(options).items())))

    begun, accuracy, order, order_of = time.monotonic(), training.test()[1], None, None
    while training.step < training.total:
        epoch, batch = divmod(training.step, training.steps_per_epoch)
        if epoch != order_of:
            order, order_of = training.order(epoch), epoch
        rate = training.schedule.get_last_lr()[0]
        loss = training.train_step(order[batch * options.batch:(batch + 1) * options.batch])
        training.epoch_loss += loss
        writer.add_scalar("train/loss", loss, training.step)
        writer.add_scalar("train/learning_rate", rate, training.step)

        if batch + 1 == training.steps_per_epoch:
            test_loss, accuracy = training.test()
            writer.add_scalar("test/loss", test_loss, training.step)
            writer.add_scalar("test/accuracy", accuracy, training.step)
            print(f"epoch {epoch + 1:3}/{options.epochs}  loss {training.epoch_loss / training.steps_per_epoch:.4f}  "
                  f"test loss {test_loss:.4f}  accuracy {accuracy:.4f}  lr {rate:.6f}  {time.monotonic() - begun:5.1f} s", flush=True)
            training.epoch_loss = 0.0
        stopping = bool(stop) and training.step < training.total
        if training.step % training.checkpoint_every == 0 or training.step == training.total or stopping:
            writer.flush()  # first: who resumes from this checkpoint will not write the steps before it again
            training.save()
        if stopping:
            print(f"stopped by SIGTERM at step {training.step}", flush=True)
            return 128 + signal.SIGTERM

    writer.close()
    print(f"done: accuracy {accuracy:.4f} after {training.step} steps, weights {training.fingerprint()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(parse()))
