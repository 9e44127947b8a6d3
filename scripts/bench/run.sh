#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The figures of saturn itself, in one table: start-up, the quickstart's plan, its run, the all-reduce.
#
#   scripts/bench/run.sh [BUILD_DIRECTORY]
#
# Trains the quickstart once, so it takes about two minutes, with LENGTH=5 five times as long; nothing else should run on the
# machine meanwhile. INTROSPECTION=0: by the first plan to the end. Works in a scratch directory with a cache of its own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build/release}" && pwd)
cmake --build "$build" --target saturn saturn-worker parallelisms bench_all_reduce >/dev/null
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Its data is named relative to the workload's folder.
epochs=$(awk "BEGIN { print 0.8 * ${LENGTH:-1} }")
sed "s#\"\.\./build/deps#\"$root/build/deps#; s/epochs: 0.8/epochs: $epochs/" "$root/workloads/quickstart.yaml" >"$scratch/quickstart.yaml"
[[ -z ${INTROSPECTION:-} ]] || printf '\nrun: {introspection_interval: %s}\n' "$INTROSPECTION" >>"$scratch/quickstart.yaml"
cd "$scratch"
XDG_CACHE_HOME="$scratch/cache" python3 "$root/scripts/bench/run.py" "$build/bin"
