# SPDX-License-Identifier: Apache-2.0
"""Step time of a GPT-2 in PyTorch, one thread: the other side of step_time.sh.

    step_time.py LAYERS WIDTH CONTEXT BATCH HEADS

Prints "ready", then for every line read from standard input trains for that many seconds and prints the
medians of a step in milliseconds: wall clock, then processor time.
"""
import statistics
import sys
import time

import torch

from gpt import Gpt, Training


def main():
    layers, width, context, batch, heads = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    training = Training(Gpt(layers, width, context, heads), batch, context)
    for number in range(5):
        training.step(number)
    print("ready", flush=True)
    for line in sys.stdin:
        wall, cpu, end = [], [], time.perf_counter() + float(line)
        while len(wall) < 3 or time.perf_counter() < end:
            start, cpu_start = time.perf_counter(), time.process_time()
            training.step(len(wall))
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
        print(f"{1000 * statistics.median(wall):.3f} {1000 * statistics.median(cpu):.3f}", flush=True)


if __name__ == "__main__":
    main()
