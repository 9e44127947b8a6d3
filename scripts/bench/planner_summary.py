#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up what planner.sh printed, a row per number of tasks, beside the targets: planner_summary.py SOLVED

The files are named as `planner.sh --fresh` names them: TASKS-NODES-FAMILY-SEED.txt.
"""
import math
import pathlib
import sys
from statistics import median


def read(path):
    sizes = {}
    for line in open(path):
        file, _, _, gap, seconds, _, first, _, cbc, megabytes = line.rstrip("\n").split("\t")
        size = int(pathlib.Path(file).name.split("-")[0])
        figures = dict(gap=float(gap), seconds=float(seconds), first=float(first), cbc=float(cbc), megabytes=float(megabytes))
        sizes.setdefault(size, []).append(figures)
    return sizes


def percentile(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def proven_within(rows, seconds):
    return sum(row["gap"] == 0 and row["seconds"] <= seconds for row in rows) / len(rows)


def small_gaps(rows):
    gaps = [row["gap"] for row in rows]
    return max(gaps) <= 1 and percentile(gaps, 0.8) <= 0.5


def largest_gap(limit):
    return lambda rows: max(row["gap"] for row in rows) <= limit


# Per number of tasks: the target in words, whether the rows meet it, milliseconds to the first plan.
TARGETS = {
    12: ("proven: half in 1 s, all in 30 s", lambda rows: proven_within(rows, 1) >= 0.5 and proven_within(rows, 30) == 1, 5),
    24: ("gap <= 1 %, four of five <= 0.5 %", small_gaps, None),
    50: ("gap <= 1 %, four of five <= 0.5 %", small_gaps, None),
    100: ("gap <= 0.5 %", largest_gap(0.5), None),
    1000: ("gap <= 0.2 %", largest_gap(0.2), None),
    10000: ("gap <= 0.3 %", lambda rows: largest_gap(0.3)(rows) and max(row["megabytes"] for row in rows) < 1000, 500),
}
COLUMNS = ["tasks", "instances", "proven", "gap %: median", "80th percentile", "largest", "seconds: median", "largest",
           "first plan ms: median", "largest", "peak MB", "CBC %", "target", "met"]


def summary(size, rows):
    of = lambda key: [row[key] for row in rows]
    target, met, first = TARGETS[size]
    if first:
        target += f"; first plan {first} ms"
    if size == 10000:
        target += "; < 1000 MB"
    reached = met(rows) and (first is None or max(of("first")) <= first)
    return [size, len(rows), sum(gap == 0 for gap in of("gap")), f"{median(of('gap')):.3f}", f"{percentile(of('gap'), 0.8):.3f}",
            f"{max(of('gap')):.3f}", f"{median(of('seconds')):.2f}", f"{max(of('seconds')):.2f}", f"{median(of('first')):.1f}",
            f"{max(of('first')):.1f}", f"{max(of('megabytes')):.0f}", f"{sum(of('cbc')) / len(rows):.0f}", target,
            "yes" if reached else "no"]


def main():
    print(*COLUMNS, sep="\t")
    for size, rows in sorted(read(sys.argv[1]).items()):
        print(*summary(size, rows), sep="\t")


if __name__ == "__main__":
    main()
