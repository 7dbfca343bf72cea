#!/usr/bin/env python3
"""Parameter servers keep the weights, workers compute gradients, each at its own pace (torch.distributed.rpc).

The cluster is what TF_CONFIG says, as for TensorFlow. Servers serve for ever: the console stops them once all workers have
succeeded. Worker 0 keeps the checkpoints, and gives the servers what it resumes.
"""
import argparse
import json
import os
import threading
import time

import torch
import torch.distributed.rpc as rpc
import torch.nn.functional as F

import digits


class Server:
    """The share of the weights that is one server's."""

    def __init__(self, index, servers):
        self.weights = {n: p.detach().clone() for n, p in share(digits.make_net(), index, servers)}
        self.lock, self.ready = threading.Lock(), False


server = None  # of this process


def share(net, index, servers):
    return list(net.named_parameters())[index::servers]


def begin(weights):
    with server.lock:
        server.weights.update({n: w for n, w in weights.items() if n in server.weights})
        server.ready = True


def pull():
    with server.lock:
        return {n: w.clone() for n, w in server.weights.items()} if server.ready else None


def push(gradients, rate):
    with server.lock:
        for name, gradient in gradients.items():
            server.weights[name] -= rate * gradient


def work(index, servers, options):
    def pull_all():
        while None in (parts := [answer.wait() for answer in [rpc.rpc_async(name, pull) for name in names]]):
            time.sleep(0.1)  # worker 0 has not begun yet
        net.load_state_dict({n: w for part in parts for n, w in part.items()})

    names = [f"ps-{i}" for i in range(servers)]
    (images, numbers), test = digits.load()
    net, checkpoints, step = digits.make_net(), digits.Checkpoints(), 0
    if index == 0:
        step = checkpoints.resume(net=net)
        for name in names:
            rpc.rpc_sync(name, begin, (dict(net.state_dict()),))
    order = torch.Generator().manual_seed(index)
    for step in range(step + 1, options.steps + 1):
        pull_all()
        batch = torch.randint(0, len(images), (options.batch,), generator=order)
        net.zero_grad()
        loss = F.cross_entropy(net(images[batch]), numbers[batch])
        loss.backward()
        pushed = [
            rpc.rpc_async(name, push, ({n: p.grad for n, p in share(net, i, servers)}, options.lr))
            for i, name in enumerate(names)]
        for one in pushed:
            one.wait()
        if index == 0:
            checkpoints.save(step, net=net)
    pull_all()
    print(f"worker {index}: step {step}, loss {loss.item():.4f}, accuracy {digits.accuracy(net, test):.4f}", flush=True)


def main():
    global server
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="of each worker")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.3)
    options = parser.parse_args()

    config = json.loads(os.environ["TF_CONFIG"])
    servers, workers = len(config["cluster"]["ps"]), len(config["cluster"]["worker"])
    kind, index = config["task"]["type"], config["task"]["index"]
    if kind == "ps":
        server = Server(index, servers)
    # Where all meet: MASTER_ADDR and MASTER_PORT
    rpc.init_rpc(
        f"{kind}-{index}", rank=index if kind == "ps" else servers + index, world_size=servers + workers,
        rpc_backend_options=rpc.TensorPipeRpcBackendOptions(num_worker_threads=8, init_method="env://"))
    print(f"{kind} {index} of {servers} servers and {workers} workers", flush=True)
    if kind == "ps":
        threading.Event().wait()
    work(index, servers, options)
    rpc.shutdown(graceful=False)


if __name__ == "__main__":
    main()
