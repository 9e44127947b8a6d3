#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A checkpoint of one rank written and read, against dd on the same disk, in turns.
#
#   MEGABYTES=1000 ROUNDS=5 scripts/bench/checkpoint.sh [BUILD_DIRECTORY [DIRECTORY]]
#
# DIRECTORY (a new one below the current one by default) says which disk. Prints the medians: write throughput against
# `dd conv=fsync`, read throughput (checksums and copies included) against dd to /dev/null, both out of no cache, the
# ratio (above 1: Saturn is faster), and for how long training stands still with and without writing in the background.
# Between any two measurements PAUSE seconds (5) go by: virtual disks allow bursts, and whoever comes second would pay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build/release}
rounds=${ROUNDS:-5} megabytes=${MEGABYTES:-1000} pause=${PAUSE:-5}
directory=$(mktemp -d "${2:-.}/bench-checkpoint.XXXXXX")
results=$(mktemp -d)
trap 'rm -rf "$directory" "$results"' EXIT

cmake --build "$build" --target bench_checkpoint >/dev/null
coproc ours { exec "$build/bin/bench_checkpoint" "$directory/checkpoints" "$megabytes"; }
# shellcheck disable=SC2154 # bash sets ours_PID itself
in=${ours[1]} out=${ours[0]} pid=$ours_PID
read -r _ <&"$out"

# ask COMMAND: its wall-clock milliseconds, appended to the command's file.
ask() {
  local wall
  sleep "$pause"
  echo "$1" >&"$in"
  read -r wall _ <&"$out"
  echo "$wall" >>"$results/$1"
}

# timed NAME COMMAND...: the same for a command.
timed() {
  sleep "$pause"
  local start=$EPOCHREALTIME
  "${@:2}" 2>/dev/null
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a) * 1000 }' >>"$results/$1"
}

drop_cache() { for file in "$@"; do dd if="$file" iflag=nocache count=0 2>/dev/null; done; }
median() { sort -n "$results/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

ask hold # the first one fetches its memory
: >"$results/hold"
for ((round = 0; round < rounds; ++round)); do
  timed dd_write dd if=/dev/zero of="$directory/dd" bs=1000000 count="$megabytes" conv=fsync
  ask write
  ask hold
  drop_cache "$directory/dd" "$directory"/checkpoints/*/*.safetensors
  timed dd_read dd if="$directory/dd" of=/dev/null bs=1000000
  ask read
  rm "$directory/dd"
done
eval "exec $in>&-"
wait "$pid" || true

for what in write read; do
  awk -v w="$what" -v mb="$megabytes" -v o="$(median "$what")" -v t="$(median "dd_$what")" \
    'BEGIN { printf "%-5s  saturn %6.0f MB/s  dd %6.0f MB/s  ratio %.2f\n", w, mb / o * 1000, mb / t * 1000, t / o }'
done
awk -v mb="$megabytes" -v h="$(median hold)" -v w="$(median write)" \
  'BEGIN { printf "training stands still for %.0f ms per %d MB; %.0f ms when it is written in place\n", h, mb, w }'
if [[ -n ${VERBOSE:-} ]]; then for f in "$results"/*; do echo "${f##*/}: $(xargs <"$f")"; done; fi
