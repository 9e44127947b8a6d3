#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plans instances (text format in scripts/bench/README.md) and prints, tab-separated: file, makespan, lower bound, gap in %,
# seconds, method, milliseconds to the first plan, seconds in CBC, that as % of all threads' time, peak memory in MB.
#   planner.sh [OPTIONS] INSTANCE...
#   planner.sh [OPTIONS] --fresh N SIZE...           N fresh instances of each family, of 12, 24, 50, 100, 1000 or 10000
#                                                    tasks, and a table that sums them up beside the targets
#   planner.sh --generate FAMILY TASKS NODES SEED    prints an instance: good, poor, mixed or mem; NODES as 4x8 or 2+2+8
# Options: --build DIR, --time-limit SECONDS (20; of --fresh, the target's), --seed N (of the planner; of --fresh, the first
# instance's), --work STEPS, --svg FILE (makespan and bound over time, and CBC's share).
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
root=$(cd "$here/../.." && pwd)
build=$root/build/release
limit=
seed=0
work=0
svg=
fresh=
generate=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --build) build=$2 ;;
    --time-limit) limit=$2 ;;
    --seed) seed=$2 ;;
    --work) work=$2 ;;
    --svg) svg=$2 ;;
    --fresh) fresh=$2 ;;
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
  echo "planner.sh: name at least one ${fresh:+size}${fresh:-instance}" >&2
  exit 2
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/saturn-planner-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# The clusters of a size, and the seconds that its target allows.
clusters() {
  case $1 in
    12) echo 1x8 2x8 2+2+4+8 ;;
    24) echo 1x8 2x8 4x8 ;;
    50) echo 4x8 2+2+4+8+8 ;;
    100) echo 8x8 ;;
    1000) echo 32x8 ;;
    10000) echo 128x8 ;;
    *) echo "planner.sh: --fresh knows sizes 12, 24, 50, 100, 1000 and 10000, not $1" >&2 && return 2 ;;
  esac
}
seconds_of() {
  case $1 in 12 | 100) echo 30 ;; 24 | 50) echo 20 ;; *) echo 5 ;; esac
}
# A process for each: peak memory is a process's.
solve() { # SECONDS PLANNER_SEED INSTANCE
  "$build/bin/bench_planner" solve "$1" "$2" "$work" "$scratch/trace" "$3" | tee -a "$scratch/solved"
}

if [[ $fresh ]]; then
  for size in "$@"; do clusters "$size" >/dev/null; done
  for size in "$@"; do
    read -ra shapes <<<"$(clusters "$size")"
    for ((i = 0; i < fresh; ++i)); do
      for family in good poor mixed mem; do
        nodes=${shapes[i % ${#shapes[@]}]}
        file=$scratch/$size-$nodes-$family-$((seed + i)).txt
        "$build/bin/bench_planner" generate "$family" "$size" "$nodes" "$((seed + i))" >"$file"
        solve "${limit:-$(seconds_of "$size")}" 0 "$file"
      done
    done
  done | sed -u "s|$scratch/||"
  echo
  python3 "$here/planner_summary.py" "$scratch/solved"
else
  for file in "$@"; do solve "${limit:-20}" "$seed" "$file"; done
fi
if [[ $svg ]]; then python3 "$here/planner_svg.py" "$scratch/trace" "$scratch/solved" >"$svg"; fi
