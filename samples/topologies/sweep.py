#!/usr/bin/env python3
"""One task of an array: the learning rate of its number, and nothing to do with the others."""
import argparse
import os

import deeplab
import torch
import torch.nn.functional as F

import digits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    index, size = int(os.environ["DEEPLAB_ARRAY_INDEX"]), int(os.environ["DEEPLAB_ARRAY_SIZE"])
    rate = 10 ** (-3 + index / max(1, size - 1))  # from 0.001 to 0.01

    (images, numbers), test = digits.load()
    net = digits.make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    checkpoints, writer = digits.Checkpoints(), deeplab.SummaryWriter()
    first = checkpoints.resume(net=net, optimizer=optimizer)
    for step in range(first + 1, options.steps + 1):
        batch = torch.randperm(len(images), generator=torch.Generator().manual_seed(step))[:64]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[batch]), numbers[batch])
        loss.backward()
        optimizer.step()
        writer.add_scalar("train/loss", loss.item(), step)
        checkpoints.save(step, net=net, optimizer=optimizer)
    print(f"task {index} of {size}: rate {rate:.4f}, accuracy {digits.accuracy(net, test):.4f}", flush=True)


if __name__ == "__main__":
    main()
