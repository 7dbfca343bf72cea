"""What the programs beside this one share: the digits, a small net, and a run's checkpoints."""
import gzip
import os

import deeplab
import numpy as np
import torch
from torch import nn

TRAINING_SAMPLES = 1437  # of 1797: four fifths


def load(path="/opt/deeplab/data/digits.csv.gz"):
    """(images, digits) to train on and to test with: 64 values 0..1 an image, shuffled once and for all."""
    with gzip.open(path, "rt") as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.float32))
    table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(42))]
    images, digits = table[:, :64] / 16, table[:, 64].long()
    return (images[:TRAINING_SAMPLES], digits[:TRAINING_SAMPLES]), (images[TRAINING_SAMPLES:], digits[TRAINING_SAMPLES:])


def make_net():
    """Of the same weights in every replica."""
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


@torch.no_grad()
def accuracy(net, test):
    images, digits = test
    return (net(images).argmax(1) == digits).float().mean().item()


class Checkpoints:
    """Every so many steps, where the console says; whoever calls it decides which replica keeps them."""

    def __init__(self, keep=3):
        self.folder, self.every, self.keep = deeplab.checkpoint_dir(), deeplab.checkpoint_every(), keep

    def is_due(self, step):
        return self.folder is not None and step % self.every == 0

    def save(self, step, **parts):
        """Keeps the state of each part when its step has come."""
        if not self.is_due(step):
            return
        state = {"step": step, **{name: part.state_dict() for name, part in parts.items()}}
        deeplab.save(self.folder / f"step-{step:06d}.pt", lambda file: torch.save(state, file))
        deeplab.prune(self.folder, self.keep)

    def resume(self, **parts):
        """The step to go on from; 0 where there is no checkpoint."""
        path = deeplab.resume_from()
        if path is None:
            return 0
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        print(f"resumed from {path} at step {state['step']}", flush=True)
        return state["step"]
