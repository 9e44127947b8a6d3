#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws how plans and bounds came on, and CBC's share: planner_svg.py TRACE SOLVED, the SVG to standard output.

TRACE has a line per better plan or bound: instance, seconds, makespan (- before the first), bound. SOLVED is what planner.sh
prints. A panel per instance: time from 1 ms on a logarithmic axis, makespan and bound in % above the last bound.
"""
import math
import pathlib
import sys
from html import escape

WIDTH, HEIGHT, COLUMNS = 300, 200, 3
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 26, 44
FARTHEST = 3  # % from the last bound that are still drawn
PLAN, BOUND, CBC, GREY = "#1f6fb4", "#d1651a", "#5a9e4b", "#888888"


def read(trace, solved):
    traces = {}
    for line in open(trace):
        file, seconds, makespan, bound = line.rstrip("\n").split("\t")
        makespan = None if makespan == "-" else float(makespan)
        traces.setdefault(file, []).append((float(seconds), makespan, float(bound)))
    shares = {}
    for line in open(solved):
        fields = line.rstrip("\n").split("\t")
        shares[fields[0]] = (float(fields[3]), float(fields[8]))
    return traces, shares


def text(x, y, words, size=10, anchor="start", colour="#222222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#dddddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


class Axes:
    """Seconds and % to places in the panel."""

    def __init__(self, points):
        end = points[-1][2] or points[-1][1] or 1
        self.steps = [(s, m and 100 * (m / end - 1), 100 * (b / end - 1) if b > 0 else None) for s, m, b in points]
        values = [v for _, *both in self.steps for v in both if v is not None]
        self.low = max(-FARTHEST, min(values))
        self.high = max(min(FARTHEST, max(values)), self.low + 0.1)
        self.last = max(0.01, points[-1][0])

    def x(self, seconds):
        share = math.log10(max(seconds, 0.001) / 0.001) / math.log10(self.last / 0.001)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, percent):
        clipped = min(max(percent, self.low), self.high)
        return TOP + (self.high - clipped) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def stairs(self, which, colour):
        known = [(self.x(step[0]), self.y(step[which])) for step in self.steps if step[which] is not None]
        path = "".join(f"H{x:.1f}V{y:.1f}" for x, y in known[1:])
        return f'<path d="M{known[0][0]:.1f},{known[0][1]:.1f}{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>' if known else ""


def panel(name, points, gap, cbc):
    axes = Axes(points)
    parts = [text(LEFT, 16, name, 11), text(WIDTH - RIGHT, 16, "proven" if gap == 0 else f"gap {gap:.2f} %", 11, "end")]
    marks = [axes.low, axes.high] + [0.0] * (abs(axes.y(0) - axes.y(axes.low)) > 10)
    for percent in marks:
        parts += [line(LEFT, axes.y(percent), WIDTH - RIGHT, axes.y(percent)), text(LEFT - 4, axes.y(percent) + 3, f"{percent:+.2g} %", 9, "end")]
    for power in range(-3, math.floor(math.log10(axes.last)) + 1):
        parts.append(line(axes.x(10**power), HEIGHT - BOTTOM, axes.x(10**power), HEIGHT - BOTTOM + 3, GREY))
        parts.append(text(axes.x(10**power), HEIGHT - BOTTOM + 13, f"{10.0**power:g} s", 9, "middle", GREY))
    parts += [axes.stairs(1, PLAN), axes.stairs(2, BOUND)]
    width = (WIDTH - LEFT - RIGHT - 62) * min(100, cbc) / 100
    parts.append(f'<rect x="{LEFT + 62}" y="{HEIGHT - 22}" width="{width:.1f}" height="8" fill="{CBC}"/>')
    parts.append(text(LEFT, HEIGHT - 14, f"CBC {cbc:.1f} %", 9, "start", CBC))
    return "".join(parts)


def main():
    traces, shares = read(sys.argv[1], sys.argv[2])
    rows = math.ceil(len(traces) / COLUMNS)
    width, height = COLUMNS * WIDTH, 24 + rows * HEIGHT
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif">')
    print('<rect width="100%" height="100%" fill="white"/>')
    print(text(LEFT, 16, "makespan", 11, colour=PLAN), text(LEFT + 66, 16, "lower bound", 11, colour=BOUND),
          text(LEFT + 142, 16, "CBC's share of all threads' time", 11, colour=CBC),
          text(LEFT + 320, 16, f"in % above the last bound; beyond {FARTHEST} % at the edge", 11, colour=GREY))
    for index, (name, points) in enumerate(traces.items()):
        print(f'<g transform="translate({index % COLUMNS * WIDTH},{24 + index // COLUMNS * HEIGHT})">{panel(pathlib.Path(name).stem, points, *shares[name])}</g>')
    print("</svg>")


if __name__ == "__main__":
    main()
