# SPDX-License-Identifier: Apache-2.0
"""The same as tcp.cpp with PyTorch's gloo: tcp.py RANK RANKS ADDRESS MEGABYTES."""
import statistics
import sys
import time

import torch
import torch.distributed as dist

rank, ranks, address, megabytes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"tcp://{address}:29500", rank=rank, world_size=ranks)
data = torch.zeros(int(megabytes * 1e6) // 4)


def reduce_for(seconds):
    wall, cpu = [], []
    start = time.monotonic()
    over = torch.zeros(1, dtype=torch.int64)
    while not over.item():
        dist.barrier()
        wall_before, cpu_before = time.monotonic(), time.process_time()
        dist.all_reduce(data)
        wall.append(time.monotonic() - wall_before)
        cpu.append(time.process_time() - cpu_before)
        over[0] = time.monotonic() - start > seconds
        dist.broadcast(over, 0)
    return f"{statistics.median(wall) * 1e3} {statistics.median(cpu) * 1e3}"


reduce_for(0)
if rank == 0:
    print("ready", flush=True)
while True:
    seconds = torch.zeros(1, dtype=torch.float64)
    if rank == 0:
        line = sys.stdin.readline()
        seconds[0] = float(line) if line.strip() else -1
    dist.broadcast(seconds, 0)
    if seconds.item() < 0:
        break
    said = reduce_for(seconds.item())
    if rank == 0:
        print(said, flush=True)
