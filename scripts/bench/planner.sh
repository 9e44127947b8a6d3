#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plans instances (text format in scripts/bench/README.md) and prints, tab-separated: file, makespan, lower bound, gap in %,
# seconds, method. planner.sh [--build DIR] [--time-limit SECONDS] [--seed N] [--work STEPS] INSTANCE...
#   planner.sh --generate FAMILY TASKS NODES SEED    prints an instance instead: good, poor, mixed or mem; NODES as 4x8 or 2+2+8
set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
build=$root/build/release
limit=20
seed=0
work=0
generate=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --build) build=$2 ;;
    --time-limit) limit=$2 ;;
    --seed) seed=$2 ;;
    --work) work=$2 ;;
    --generate) generate=yes && break ;;
    *) echo "planner.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift 2
done
if [[ ! -d $build ]]; then
  echo "planner.sh: no build in $build; run scripts/build.sh release first" >&2
  exit 2
fi
cmake --build "$build" --target bench_planner >&2
if [[ $generate ]]; then
  shift
  exec "$build/bin/bench_planner" generate "$@"
fi
if (($# == 0)); then
  echo 'planner.sh: name at least one instance' >&2
  exit 2
fi
exec "$build/bin/bench_planner" solve "$limit" "$seed" "$work" "$@"
