# SPDX-License-Identifier: Apache-2.0
"""Step time of a GPT-2 in PyTorch, one thread: the other side of step_time.sh.

    step_time.py LAYERS WIDTH CONTEXT BATCH HEADS

Prints "ready", then for every line read from standard input trains for that many seconds and prints the
medians of a step in milliseconds: wall clock, then processor time. The model is what a careful user writes: nn.Linear, scaled_dot_product_attention,
tanh-gelu, tied embeddings, fused AdamW with two groups, gradients set to None.
"""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        rows, context, width = x.shape
        q, k, v = (part.view(rows, context, self.heads, -1).transpose(1, 2)
                   for part in self.qkv(self.ln_1(x)).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(rows, context, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, width, context, heads, vocabulary=256):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        self.head.weight = self.wte.weight

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        logits = self.head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def main():
    layers, width, context, batch, heads = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Gpt(layers, width, context, heads)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01},
                                   {"params": others, "weight_decay": 0}], lr=1e-3, fused=True)
    tokens = torch.randint(0, 256, (64, batch, context + 1))

    def step(number):
        rows = tokens[number % 64]
        loss = model(rows[:, :-1], rows[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for number in range(5):
        step(number)
    print("ready", flush=True)
    for line in sys.stdin:
        wall, cpu, end = [], [], time.perf_counter() + float(line)
        while len(wall) < 3 or time.perf_counter() < end:
            start, cpu_start = time.perf_counter(), time.process_time()
            step(len(wall))
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
        print(f"{1000 * statistics.median(wall):.3f} {1000 * statistics.median(cpu):.3f}", flush=True)


if __name__ == "__main__":
    main()
