#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training steps of Saturn's parallelisms with the same GPT-2, everything compared in turns in one run:
#   ddp and fsdp on two slots against PyTorch's DistributedDataParallel and FSDP2 over gloo (two processes on each side,
#   on cores 0 and 1 with one thread each); spill on one slot against the same model unspilled; the pipeline's bubble.
#
#   PYTHON=<a python with torch> scripts/bench/parallelisms.sh [BUILD_DIRECTORY]
#
# Prints per size the median wall-clock milliseconds of both and their ratio (below 1: Saturn is faster).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/release}
# shellcheck source=scripts/bench/in_turns.sh
source "$here/in_turns.sh"

need_torch
cmake --build "$build" --target bench_parallelism_step parallelisms >/dev/null
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

ours() { # PARALLELISM KNOBS SLOTS LAYERS WIDTH CONTEXT BATCH HEADS: fills the array `program`
  program=("$build/bin/bench_parallelism_step" "$build/parallelisms/$1/$1.so" "${@:2}")
}

against_pytorch() { # PARALLELISM PYTORCH_NAME LAYERS WIDTH CONTEXT BATCH HEADS
  ours "$1" - 2 "${@:3}"
  in_turns "${program[@]}" -- "$python" "$here/parallelism_step.py" "${@:2}"
  report wall "$1, 2 slots: $3 layers, $4 wide, context $5, batch $6" "$2"
}

spilled() { # LAYERS WIDTH CONTEXT BATCH HEADS
  ours ddp - 1 "$@"
  local whole=("${program[@]}")
  ours spill prefetch=1 1 "$@"
  in_turns "${program[@]}" -- "${whole[@]}"
  report wall "spill, 1 slot: $1 layers, $2 wide, context $3, batch $4" unspilled
}

# A step of m micro-batches through p stages takes (m + p - 1) t, so that t is the slope over m of steps with equal
# micro-batches, and the bubble is 1 - m t / step: expected (p - 1) / (m + p - 1).
bubble() { # LAYERS WIDTH CONTEXT ROWS_OF_A_MICRO_BATCH HEADS
  local few=4 many=16
  ours pipeline micro_batches=$few 2 "$1" "$2" "$3" $((few * $4)) "$5"
  local few_program=("${program[@]}")
  ours pipeline micro_batches=$many 2 "$1" "$2" "$3" $((many * $4)) "$5"
  in_turns "${few_program[@]}" -- "${program[@]}"
  awk -v m=$few -v n=$many -v label="pipeline 1f1b, 2 stages, $few micro-batches: $1 layers, $2 wide, context $3" '
    { few[NR] = $1; many[NR] = $3 }
    END {
      asort_few = sorted(few, NR); a = few[int((NR + 1) / 2)]
      asort_many = sorted(many, NR); b = many[int((NR + 1) / 2)]
      t = (b - a) / (n - m)
      printf "%s: step %.2f ms, bubble %.3f, expected %.3f\n", label, a, 1 - m * t / a, 1 / (m + 1)
    }
    function sorted(v, count, i, j, x) {
      for (i = 2; i <= count; ++i) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; --j) v[j + 1] = v[j]; v[j + 1] = x }
      return count
    }' "$results"
}

against_pytorch ddp ddp 4 128 64 16 4
against_pytorch ddp ddp 6 256 128 16 8
against_pytorch fsdp fsdp2 4 128 64 16 4
against_pytorch fsdp fsdp2 6 256 128 16 8
spilled 4 128 64 16 4
spilled 6 256 128 16 8
bubble 6 256 128 2 8
