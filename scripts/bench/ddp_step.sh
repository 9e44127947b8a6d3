#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Training step of Saturn's ddp on two slots against PyTorch's DistributedDataParallel over gloo with the same GPT-2:
# two processes on each side, on cores 0 and 1 with one thread each, measured in turns.
#
#   PYTHON=<a python with torch> scripts/bench/ddp_step.sh [BUILD_DIRECTORY]
#
# Prints per size the median wall-clock milliseconds of both and their ratio (below 1: Saturn is faster).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/release}
# shellcheck source=scripts/bench/in_turns.sh
source "$here/in_turns.sh"

need_torch
cmake --build "$build" --target bench_ddp_step parallelism_ddp >/dev/null
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

compare() {  # LAYERS WIDTH CONTEXT BATCH HEADS
  in_turns "$build/bin/bench_ddp_step" "$build/parallelisms/ddp/ddp.so" "$@" -- "$here/ddp_step.py" "$@"
  report wall "$1 layers, $2 wide, context $3, batch $4"
}

compare 4 128 64 16 4
compare 6 256 128 16 8
