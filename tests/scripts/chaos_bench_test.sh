#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# chaos_bench_test.sh SOURCE BUILD: the chaos script, with few kills: every sweep survives them, and the table says so.
set -euo pipefail

world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
fail() {
  echo "$1" >&2
  cat "$world"/* >&2
  exit 1
}

(($(nproc) >= 2)) || { echo 'skipped: two CPU slots need two cores' && exit 77; }
STEPS=200 PER_SWEEP=3 "$1/scripts/bench/chaos.sh" "$2" 3 >"$world/out" 2>"$world/err" || fail 'a sweep has not survived'
awk -F'\t' 'NR > 1 && NR < 5 { killed += $2 } END { exit killed != 3 }' "$world/out" || fail 'the table does not count three kills'
grep -q ': 0 failed, 0 with other weights or losses, 0 times a process was left, 0 with other files; ' "$world/out" ||
  fail 'the last line is another one'
