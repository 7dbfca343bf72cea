#!/usr/bin/env python3
"""Every replica computes on its share of each batch, and all take the same step (DistributedDataParallel).

Peers find each other by MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK, which the console sets; `torchrun data_parallel.py` does
as well, by PET_…. Under mpirun the ranks are MPI's own. Rank 0 keeps the checkpoints and hands what it resumes to the others.
"""
import argparse
import os

import deeplab
import torch
import torch.distributed as dist
import torch.nn.functional as F

import digits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=128, help="samples of a step, over all ranks together")
    options = parser.parse_args()

    backend = "mpi" if "OMPI_COMM_WORLD_SIZE" in os.environ else "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend)
    rank, size = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if backend == "nccl" else torch.device("cpu")
    print(f"rank {rank} of {size} by {backend}", flush=True)

    (images, numbers), test = digits.load()
    net = digits.make_net().to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    checkpoints = digits.Checkpoints()
    first = [0, None]
    if rank == 0:
        step = checkpoints.resume(net=net, optimizer=optimizer)
        first = [step, optimizer.state_dict() if step else None]
    dist.broadcast_object_list(first, device=device)
    if first[1] is not None:
        optimizer.load_state_dict(first[1])
    curves = deeplab.SummaryWriter(purge_step=first[0] + 1 if first[0] else None) if rank == 0 else None
    # Broadcasts the weights of rank 0
    model = torch.nn.parallel.DistributedDataParallel(net)

    for step in range(first[0] + 1, options.steps + 1):
        # The same order everywhere, from the step alone: each rank takes every size-th sample of it
        batch = torch.randperm(len(images), generator=torch.Generator().manual_seed(step))[:options.batch][rank::size]
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch].to(device)), numbers[batch].to(device))
        loss.backward()
        optimizer.step()
        if rank == 0:
            curves.add_scalar("train/loss", loss.item(), step)
            if checkpoints.is_due(step):
                curves.flush()  # first: who resumes from this checkpoint will not write the steps before it again
                checkpoints.save(step, net=net, optimizer=optimizer)
    if rank == 0:
        curves.close()
    print(f"rank {rank}: step {options.steps}, loss {loss.item():.4f}, accuracy {digits.accuracy(net.cpu(), test):.4f}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
