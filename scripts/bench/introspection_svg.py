#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what looks at the plan gain: introspection_svg.py INTERVALS THRESHOLDS, the SVG to standard output.

Both are what introspection.sh prints of its curves: interval, threshold, mean gain in %, least gain, runs that got longer, plans
adopted, gangs moved per run. A panel each: mean and least gain on the left axis, gangs moved on the right one.
"""
import sys
from html import escape

WIDTH, HEIGHT = 440, 280
LEFT, RIGHT, TOP, BOTTOM = 48, 48, 34, 46
MEAN, LEAST, MOVES, GREY = "#1f6fb4", "#d1651a", "#5a9e4b", "#888888"


def read(file):
    rows = [line.split("\t") for line in open(file).read().splitlines()]
    return [[float(field) for field in row] for row in rows]


def text(x, y, words, size=10, anchor="start", colour="#222222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#dddddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def scale(low, high):
    """Values to heights in the panel."""
    return lambda value: TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)


def curve(points, colour):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'


def panel(title, names, rows):
    """The rows stand side by side at equal distances."""
    xs = [LEFT + (i + 0.5) * (WIDTH - LEFT - RIGHT) / len(rows) for i in range(len(rows))]
    means, leasts, moves = ([row[column] for row in rows] for column in (2, 3, 6))
    low, high = 5 * (min(0, *leasts) // 5), 5 * (max(5, *means) // 5 + 1)
    gain, moved = scale(low, high), scale(0, max(1, *moves) * 1.1)
    parts = [text(WIDTH / 2, HEIGHT - 10, title, 11, "middle")]
    for percent in range(int(low), int(high) + 1, 5):
        parts += [line(LEFT, gain(percent), WIDTH - RIGHT, gain(percent), GREY if percent == 0 else "#dddddd"),
                  text(LEFT - 6, gain(percent) + 3, f"{percent} %", 9, "end")]
    parts += [text(x, HEIGHT - BOTTOM + 16, name, 9, "middle", GREY) for x, name in zip(xs, names)]
    parts += [text(x + 5, moved(value) - 5, f"{value:.1f}", 8, "start", MOVES) for x, value in zip(xs, moves)]
    for values, place, colour in ((moves, moved, MOVES), (leasts, gain, LEAST), (means, gain, MEAN)):
        parts.append(curve([(x, place(value)) for x, value in zip(xs, values)], colour))
    return "".join(parts)


def main():
    intervals, thresholds = read(sys.argv[1]), read(sys.argv[2])
    panels = [panel("interval between looks", [f"{row[0]:g} s" for row in intervals], intervals),
              panel("threshold", [f"{100 * row[1]:g} %" for row in thresholds], thresholds)]
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans-serif">')
    print('<rect width="100%" height="100%" fill="white"/>')
    print(text(LEFT, 18, "mean gain", 11, colour=MEAN), text(LEFT + 70, 18, "least gain of a run", 11, colour=LEAST),
          text(LEFT + 190, 18, "gangs moved per run", 11, colour=MOVES))
    for index, drawn in enumerate(panels):
        print(f'<g transform="translate({index * WIDTH},0)">{drawn}</g>')
    print("</svg>")


if __name__ == "__main__":
    main()
