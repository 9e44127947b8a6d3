# SPDX-License-Identifier: Apache-2.0
"""Step time of a GPT-2 under PyTorch's DistributedDataParallel or FSDP2 over gloo: the other side of parallelisms.sh.

    parallelism_step.py ddp|fsdp2 LAYERS WIDTH CONTEXT BATCH HEADS

Two processes on cores 0 and 1, one thread each, half of the batch each. Prints "ready", then for every line
read from standard input trains for about that many seconds and prints the medians of a step of rank 0 in
milliseconds: wall clock, then processor time.
"""
import os
import statistics
import sys
import tempfile
import time


def timed(training, steps):
    """Medians of a step in seconds: wall clock, processor time."""
    wall, cpu = [], []
    for number in range(steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        training.step(number)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return statistics.median(wall), statistics.median(cpu)


def parallel(model, way):
    """The model as PyTorch's documentation has it for `way`: FSDP2 shards every layer, then the rest."""
    if way == "ddp":
        from torch.nn.parallel import DistributedDataParallel
        return DistributedDataParallel(model, gradient_as_bucket_view=True)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    mesh = init_device_mesh("cpu", (2,))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def train(rank, store):
    os.sched_setaffinity(0, {rank})  # before the first thread, so that gloo's go along
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    import torch
    from torch import distributed

    from gpt import Gpt, Training

    layers, width, context, batch, heads = map(int, sys.argv[2:])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(1 + rank)
    model = parallel(Gpt(layers, width, context, heads), sys.argv[1])
    training = Training(model, batch // 2, context)
    timed(training, 5)  # DDP rebuilds its buckets in the second step
    step_seconds = timed(training, 5)[0]
    if rank == 0:
        print("ready", flush=True)
    steps = torch.zeros(1, dtype=torch.int64)
    while True:
        if rank == 0:
            line = sys.stdin.readline()
            steps[0] = max(3, round(float(line) / step_seconds)) if line else 0
        distributed.broadcast(steps, 0)
        if steps.item() == 0:
            break
        wall, cpu = timed(training, steps.item())
        if rank == 0:
            print(f"{1000 * wall:.3f} {1000 * cpu:.3f}", flush=True)
    distributed.destroy_process_group()


def main():
    with tempfile.TemporaryDirectory() as directory:
        store = os.path.join(directory, "store")
        child = os.fork()
        train(1 if child == 0 else 0, store)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
