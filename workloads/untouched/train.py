# SPDX-License-Identifier: Apache-2.0
"""A script that knows nothing of Saturn: least squares by stochastic gradient descent. It prints its progress for people,
and saves its state every few epochs. Standard library only."""

import argparse
import os
import random

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.01)
parser.add_argument("--epochs", type=int, default=100)
parser.add_argument("--state", default="state.txt", help="written every 20 epochs; gone on with when it is there")
options = parser.parse_args()

source = random.Random(1)
points = [(x, 3 * x - 1 + source.gauss(0, 0.1)) for x in (source.random() for _ in range(3000))]
slope, offset, first = 0.0, 0.0, 0
if os.path.exists(options.state):
    with open(options.state) as file:
        slope, offset, first = (float(word) for word in file.read().split())
for epoch in range(int(first) + 1, options.epochs + 1):
    error = 0.0
    for x, y in points:
        difference = slope * x + offset - y
        slope -= options.rate * difference * x
        offset -= options.rate * difference
        error += difference * difference
    print(f"epoch {epoch}/{options.epochs}: error {error / len(points):.6f}")
    if epoch % 20 == 0:
        with open(options.state + ".new", "w") as file:
            file.write(f"{slope!r} {offset!r} {epoch}")
        os.replace(options.state + ".new", options.state)
        print("state saved to", options.state)
