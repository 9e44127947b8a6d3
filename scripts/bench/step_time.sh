#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One-slot training step of Saturn against the same GPT-2 in PyTorch, one thread each, measured in turns.
#
#   PYTHON=<a python with torch> scripts/bench/step_time.sh [BUILD_DIRECTORY]
#
# Prints per size the median wall-clock milliseconds of both and their ratio (below 1: Saturn is faster), then the
# same in processor time, which other load on the machine disturbs less.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/release}
# shellcheck source=scripts/bench/in_turns.sh
source "$here/in_turns.sh"

need_torch
cmake --build "$build" --target bench_step >/dev/null
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

compare() {  # LAYERS WIDTH CONTEXT BATCH HEADS
  in_turns "$build/bin/bench_step" "$@" -- "$python" "$here/step_time.py" "$@"
  report wall "$1 layers, $2 wide, context $3, batch $4"
  report cpu "$1 layers, $2 wide, context $3, batch $4"
}

compare 4 128 64 12 4
compare 6 256 128 16 8
