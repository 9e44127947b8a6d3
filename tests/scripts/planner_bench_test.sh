#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# planner_bench_test.sh SOURCE: what the planner's benchmark makes of figures that are known: the table of
# `planner.sh --fresh` and the SVG.
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

# file, makespan, bound, gap, seconds, method, first plan, CBC's seconds, its share, memory
line() { printf '%s\t%s\t%s\t%s\t%s\tannealing; lanes\t%s\t%s\t%s\t%s\n' "$@"; }
{
  line /x/24-1x8-good-0.txt 100 100 0.0000 0.5 0.1 0.1 10.0 20
  line /x/24-1x8-poor-0.txt 100 99.9 0.1000 20 0.2 0.1 0.5 30
  line /x/24-1x8-mem-0.txt 100 99.2 0.8000 20 0.3 0.1 1.5 40
  line /x/12-1x8-mem-0.txt 100 100 0.0000 2 4.0 0.1 0.0 10
} >"$world/solved"
python3 "$bench/planner_summary.py" "$world/solved" >"$world/table"
row() { sed -n "$1p" "$world/table"; }
[[ $(row 2) == $'12\t1\t1\t0.000\t0.000\t0.000\t2.00\t2.00\t4.0\t4.0\t10\t0\tproven: half in 1 s, all in 30 s; first plan 5 ms\tno' ]] || fail 'the row of 12 tasks'
[[ $(row 3) == $'24\t3\t1\t0.100\t0.800\t0.800\t20.00\t20.00\t0.2\t0.3\t40\t4\tgap <= 1 %, four of five <= 0.5 %\tno' ]] || fail 'the row of 24 tasks'

for file in 12-1x8-mem-0 24-1x8-mem-0 24-1x8-poor-0 24-1x8-good-0; do
  printf '/x/%s.txt\t0.0001\t-\t90\n/x/%s.txt\t0.002\t110\t95\n/x/%s.txt\t2\t100\t99\n' "$file" "$file" "$file"
done >"$world/trace"
python3 "$bench/planner_svg.py" "$world/trace" "$world/solved" >"$world/svg"
python3 -c 'import sys, xml.dom.minidom as m; sys.exit(len(m.parse(sys.argv[1]).getElementsByTagName("path")) != 8)' "$world/svg" ||
  fail 'not a line for plans and one for bounds in each of four panels'
grep -qF '>gap 0.80 %<' "$world/svg" || fail 'the gap is missing'
grep -qF '>CBC 10.0 %<' "$world/svg" || fail "CBC's share is missing"
