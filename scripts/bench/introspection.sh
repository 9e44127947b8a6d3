#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Simulates sweeps whose speeds differ from their profile's, by one plan and with looks at it, and prints, tab-separated:
# file, planned makespan, means of the makespans by one plan, with looks, and had the speeds been known, mean gain in %, least
# gain, runs that got more than 1 % longer, plans adopted and gangs moved per run. Then the curves over all instances:
# interval in seconds, threshold, and the same figures from the mean gain on.
#   introspection.sh [OPTIONS] [INSTANCE...]    (default: 12 tasks on 1x8, 2x8 and 2+2+4+8, of each family, generated)
# Options: --build DIR, --seeds N (20 for each instance), --first SEED, --noise S (0.2), --error task|class (who has a speed
# error of its own), --work STEPS (of the solver for a look), --curve-seeds N (5; 0 = no curves), --svg FILE (the curves).
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
root=$(cd "$here/../.." && pwd)
build=$root/build/release
intervals=(250 500 1000 2000 4000 10000)
thresholds=(0 0.025 0.05 0.1 0.15 0.2)
seeds=20
curve_seeds=5
svg=
model=()
while [[ ${1:-} == --* ]]; do
  case $1 in
    --build) build=$2 ;;
    --seeds) seeds=$2 ;;
    --curve-seeds) curve_seeds=$2 ;;
    --svg) svg=$2 ;;
    --first | --noise | --error | --work) model+=("${1#--}=$2") ;;
    *) echo "introspection.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift 2
done
if [[ ! -d $build ]]; then
  echo "introspection.sh: no build in $build; run scripts/build.sh release first" >&2
  exit 2
fi
cmake --build "$build" --target bench_introspection bench_planner >&2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/saturn-introspection-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

instances=("$@")
if (($# == 0)); then
  for nodes in 1x8 2x8 2+2+4+8; do
    for family in good poor mixed mem; do
      instances+=("$scratch/12-$nodes-$family.txt")
      "$build/bin/bench_planner" generate "$family" 12 "$nodes" 1 >"${instances[-1]}"
    done
  done
fi
bench() { # COMMAND NAME=VALUE...
  "$build/bin/bench_introspection" "$1" "${model[@]}" "${@:2}" "${instances[@]}"
}
bench gains "seeds=$seeds" | sed -u "s|^$scratch/||"
if ((curve_seeds > 0)); then
  echo
  for interval in "${intervals[@]}"; do bench curve "seeds=$curve_seeds" "interval=$interval"; done | tee "$scratch/intervals"
  echo
  for threshold in "${thresholds[@]}"; do bench curve "seeds=$curve_seeds" "threshold=$threshold"; done | tee "$scratch/thresholds"
  if [[ $svg ]]; then python3 "$here/introspection_svg.py" "$scratch/intervals" "$scratch/thresholds" >"$svg"; fi
fi
