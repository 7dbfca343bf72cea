#!/usr/bin/env python3
"""Beside a chief: judges each checkpoint that it leaves, on samples that nobody trains on, until the console stops it."""
import time

import deeplab
import torch

import digits


def main():
    _, held_out = digits.load()
    net = digits.make_net()
    writer, seen = deeplab.SummaryWriter(), ""
    while True:
        newest = max((p.name for p in deeplab.checkpoint_dir().glob("step-*.pt")), default="")
        if newest <= seen:
            time.sleep(0.2)
            continue
        state = torch.load(deeplab.checkpoint_dir() / newest, map_location="cpu", weights_only=True)
        net.load_state_dict(state["net"])
        share = digits.accuracy(net, held_out)
        writer.add_scalar("validation/accuracy", share, state["step"])
        writer.flush()
        print(f"{newest}: {share:.4f} of the held-out digits are read", flush=True)
        seen = newest


if __name__ == "__main__":
    main()
