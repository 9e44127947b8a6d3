# SPDX-License-Identifier: Apache-2.0
"""Logistic regression by hand: gradient descent with momentum on points it makes itself. Standard library only."""

import argparse
import json
import math
import random

import saturn

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--points", type=int, default=400)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--weights", default="")
options = parser.parse_args()

DIMENSIONS = 8
source = random.Random(options.seed)
truth = [source.gauss(0, 1) for _ in range(DIMENSIONS)]


def make_points(count):
    points = []
    for _ in range(count):
        x = [source.gauss(0, 1) for _ in range(DIMENSIONS)]
        score = sum(a * b for a, b in zip(truth, x)) + source.gauss(0, 0.5)
        points.append((x, 1.0 if score > 0 else 0.0))
    return points


training, held_out = make_points(options.points), make_points(100)
weights, velocity = [0.0] * DIMENSIONS, [0.0] * DIMENSIONS


def loss_and_gradient(points):
    loss, gradient = 0.0, [0.0] * DIMENSIONS
    for x, label in points:
        score = sum(a * b for a, b in zip(weights, x))
        loss += math.log1p(math.exp(-abs(score))) + max(score, 0.0) - score * label
        error = 1.0 / (1.0 + math.exp(-score)) - label
        for i, value in enumerate(x):
            gradient[i] += error * value
    return loss / len(points), [value / len(points) for value in gradient]


def save(path):
    with open(path, "w") as file:
        json.dump({"weights": weights, "velocity": velocity}, file)


run = saturn.start(save=save)
if run.checkpoint:
    with open(run.checkpoint) as file:
        state = json.load(file)
    weights, velocity = state["weights"], state["velocity"]

for step in run.steps(options.steps):
    loss, gradient = loss_and_gradient(training)
    for i, slope in enumerate(gradient):
        velocity[i] = options.momentum * velocity[i] - options.lr * slope
        weights[i] += velocity[i]
    run.step(loss=loss)

run.validated(loss_and_gradient(held_out)[0])
if options.weights:
    with open(options.weights, "w") as file:
        json.dump(weights, file)
    run.finished(weights=options.weights)
