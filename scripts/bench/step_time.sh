#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One-slot training step of Saturn against the same GPT-2 in PyTorch, one thread each, measured in turns.
#
#   PYTHON=<a python with torch> scripts/bench/step_time.sh [BUILD_DIRECTORY]
#
# Prints per size the median wall-clock milliseconds of both and their ratio (below 1: Saturn is faster), then the
# same in processor time, which other load on the machine disturbs less.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
python=${PYTHON:-python3}
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-3}

"$python" -c 'import torch' 2>/dev/null || { echo "step_time.sh: $python has no torch; set PYTHON" >&2; exit 2; }
cmake --build "$build" --target bench_step >/dev/null
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

compare() {  # LAYERS WIDTH CONTEXT BATCH HEADS
  coproc ours { exec "$build/bin/bench_step" "$@"; }
  # shellcheck disable=SC2154 # bash sets ours_PID itself
  local ours_in=${ours[1]} ours_out=${ours[0]} ours_pid=$ours_PID
  # bash has one coprocess at a time: the other side talks through named pipes.
  local pipes; pipes=$(mktemp -d)
  mkfifo "$pipes/in" "$pipes/out"
  "$python" "$root/scripts/bench/step_time.py" "$@" <"$pipes/in" >"$pipes/out" & local theirs_pid=$!
  exec 8>"$pipes/in" 9<"$pipes/out"
  rm -r "$pipes"
  read -r _ <&"$ours_out"
  read -r _ <&9
  : >"$results"
  for ((round = 0; round < rounds; ++round)); do
    echo "$seconds" >&"$ours_in"; read -r our_wall our_cpu <&"$ours_out"
    echo "$seconds" >&8; read -r their_wall their_cpu <&9
    echo "$our_wall $our_cpu $their_wall $their_cpu" >>"$results"
  done
  exec 8>&- 9<&-
  eval "exec $ours_in>&-"
  wait "$ours_pid" "$theirs_pid" || true
  for kind in 1:3:wall 2:4:cpu; do
    IFS=: read -r a b name <<<"$kind"
    our=$(awk -v c="$a" '{ print $c }' "$results" | median)
    their=$(awk -v c="$b" '{ print $c }' "$results" | median)
    awk -v s="$1 layers, $2 wide, context $3, batch $4" -v n="$name" -v o="$our" -v t="$their" \
      'BEGIN { printf "%-46s %-4s  saturn %8.2f ms  pytorch %8.2f ms  ratio %.3f\n", s, n, o, t, o / t }'
  done
}

results=$(mktemp)
trap 'rm -f "$results"' EXIT
compare 4 128 64 12 4
compare 6 256 128 16 8
