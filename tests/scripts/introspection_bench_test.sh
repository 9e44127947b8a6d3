#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# introspection_bench_test.sh SOURCE: the SVG that the benchmark of looks at the plan makes of figures that are known.
set -euo pipefail

bench=$1/scripts/bench
command -v python3 >/dev/null || { echo "skipped: there is no python3" && exit 77; }
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
fail() {
  echo "$1" >&2
  cat "$world"/* >&2
  exit 1
}

# interval, threshold, mean gain, least gain, longer runs, plans, moves
printf '%s\t0.05\t%s\t%s\t0\t4.0\t%s\n' 250 15 4 26.5 1000 14 3.5 16 10000 12 -2 7 >"$world/intervals"
printf '1000\t%s\t%s\t%s\t1\t4.0\t%s\n' 0 15.5 3 31 0.2 12 0 5.25 >"$world/thresholds"
python3 "$bench/introspection_svg.py" "$world/intervals" "$world/thresholds" >"$world/svg"
python3 -c 'import sys, xml.dom.minidom as m; sys.exit(len(m.parse(sys.argv[1]).getElementsByTagName("polyline")) != 6)' "$world/svg" ||
  fail 'not three curves in each of two panels'
for label in '>10000 s<' '>20 %<' '>-5 %<' '>26.5<'; do
  grep -qF -- "$label" "$world/svg" || fail "$label is missing"
done
python3 - "$world/svg" <<'END' || fail 'a point is not in its place'
import sys, xml.dom.minidom as m
curves = m.parse(sys.argv[1]).getElementsByTagName("polyline")
heights = [[float(p.split(",")[1]) for p in c.getAttribute("points").split()] for c in curves]
moves, least, mean = heights[:3]
sys.exit(not (moves[0] < moves[1] < moves[2] and mean[0] < mean[1] < mean[2] < least[0] < least[1] < least[2]))
END
