# SPDX-License-Identifier: Apache-2.0
"""A small language model on any number of ranks, by DDP or FSDP2: PyTorch 2.6 or later, started by torchrun. Checkpoints
are those of torch.distributed.checkpoint: either way and any number of ranks reads what another has written."""

import argparse
import os

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

import saturn

parser = argparse.ArgumentParser()
parser.add_argument("--way", choices=["ddp", "fsdp2"], default="ddp")
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--width", type=int, default=128)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

VOCABULARY, CONTEXT = 64, 32
on_gpu = torch.cuda.is_available()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
dist.init_process_group("nccl" if on_gpu else "gloo")
rank, world = dist.get_rank(), dist.get_world_size()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, options.width)
        self.places = nn.Parameter(torch.zeros(CONTEXT, options.width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(options.width, 4, 4 * options.width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(options.layers)
        )
        self.head = nn.Linear(options.width, VOCABULARY)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places
        mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT, device=tokens.device)
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return self.head(x)


def batch_of(step):
    """This rank's rows of the global batch, which is the same whatever the number of ranks: counting, each row by a
    stride of its own."""
    source = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    first, stride = torch.randint(VOCABULARY, (2, options.batch, 1), generator=source)
    rows = (first + (1 + stride % 7) * torch.arange(CONTEXT + 1)) % VOCABULARY
    rows = rows[rank * options.batch // world : (rank + 1) * options.batch // world].to(device)
    return rows[:, :-1], rows[:, 1:]


torch.manual_seed(options.seed)
model = Model().to(device)
if options.way == "fsdp2":
    mesh = init_device_mesh(device.type, (world,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
else:
    model = DistributedDataParallel(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)


def state():
    model_state, optimizer_state = get_state_dict(model, optimizer)
    return {"model": model_state, "optimizer": optimizer_state}


run = saturn.start(save=lambda path: dcp.save(state(), checkpoint_id=path))  # every rank writes its part
if run.checkpoint:
    loaded = state()
    dcp.load(loaded, checkpoint_id=run.checkpoint)
    set_state_dict(model, optimizer, model_state_dict=loaded["model"], optim_state_dict=loaded["optimizer"])

for step in run.steps(options.steps):
    inputs, targets = batch_of(step)
    loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    mean = loss.detach().clone()
    dist.all_reduce(mean)
    run.step(loss=mean / world)

inputs, targets = batch_of(-1)
with torch.no_grad():
    held_out = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
dist.all_reduce(held_out)
run.validated(held_out / world)
run.finished()  # PyTorch may abort while it takes gloo or FSDP2 apart; it does not matter any more
dist.barrier()  # a rank that leaves early would take the others' connections with it
dist.destroy_process_group()
