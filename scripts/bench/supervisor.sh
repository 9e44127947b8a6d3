#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# supervisor.sh [--build DIR] [--times N] [NAME=VALUE...]: what the supervisor itself takes.
# A sweep of 10,000 tasks on 1,024 devices through the production executor, journal and run directory, its gangs simulated: events,
# records of the journal, seconds of simulated time, of the processor and of the clock, events per second of processor time, peak
# memory (planning included) and size of the journal in MB. NAME=VALUE: see supervisor.cpp. Then the start of a gang of 64 trivial
# processes, N times (21): medians in ms until they are spawned, all there, and all released.
# On a disk: the scratch directory is in TMPDIR, and every record is synced.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
build=$here/../../build/release
times=21
while [[ ${1:-} == --* ]]; do
  case $1 in
    --build) build=$2 ;;
    --times) times=$2 ;;
    *) echo "supervisor.sh: unknown option $1" >&2 && exit 2 ;;
  esac
  shift 2
done
if [[ ! -d $build ]]; then
  echo "supervisor.sh: no build in $build; run scripts/build.sh release first" >&2
  exit 2
fi
cmake --build "$build" --target bench_supervisor >&2
scratch=$(mktemp -d "${TMPDIR:-/tmp}/saturn-supervisor-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
"$build/bin/bench_supervisor" sweep "$scratch/run" "$@" 2>"$scratch/view" || { cat "$scratch/view" >&2; exit 1; }
"$build/bin/bench_supervisor" gang 64 "$times"
