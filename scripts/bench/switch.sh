#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a switch costs: a task that trains on the two slots of one node is moved to those of another and back, again and again, by
# `saturn replan --cluster`. Both nodes are the same two cores.
#
#   [SWITCHES=6] [WIDTH=512] [LAYERS=8] scripts/bench/switch.sh [BUILD_DIRECTORY]
#
# Prints seconds per switch (told to leave until the next gang trains, from the run's own account), the checkpoint's MB, how long dd takes
# to write as many bytes with fsync on the same disk, and the target: a second and that. Works in a scratch directory in TMPDIR.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build/release}" && pwd)
saturn=$build/bin/saturn
cmake --build "$build" --target saturn saturn-worker parallelisms >/dev/null
scratch=$(mktemp -d)
end() {
  [[ -z ${pid:-} ]] || kill -TERM "$pid" 2>/dev/null || true
  wait
  rm -rf "$scratch"
}
trap end EXIT
cd "$scratch"
export XDG_CACHE_HOME=$scratch/cache
seq 1 100000 >text.txt
cat >w.yaml <<YAML
name: w
cluster: {nodes: [{name: n0, devices: 2}, {name: n1, devices: 2}]}
parallelisms: [ddp]
profile: {trial_time: 2s}
run: {introspection_interval: 0, checkpoint_interval: 1h}
tasks:
  - {name: a, devices: [2], steps: 1000000, batch_size: 8, model: {layers: ${LAYERS:-8}, heads: 8, width: ${WIDTH:-512}, context: 16}, data: {files: text.txt}}
YAML
"$saturn" run w.yaml >run.out 2>&1 </dev/null &
pid=$!
journal=runs/w/journal.jsonl
released() { grep -c '"record":"gang_released"' $journal 2>/dev/null || true; }
until_released() { # NUMBER
  for ((i = 0; i < 1200; ++i)); do
    [[ $(released) -lt $1 ]] || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "switch.sh: no switch took place; the run said:" >&2
  tail -n 20 run.out >&2
  exit 1
}
until_released 1
for ((n = 1; n <= ${SWITCHES:-6}; ++n)); do
  sleep 5
  node=$(sed -n 's/.*"record":"gang_started".*"node":"n\([01]\)".*/\1/p' $journal | tail -n1)
  "$saturn" replan runs/w --cluster "{nodes: [{name: n$((1 - node)), devices: 2}]}" >/dev/null 2>&1
  until_released $((n + 1))
done
sleep 2
kill -TERM "$pid"
wait "$pid" || true
pid=
checkpoint=$(du -s --bytes runs/w/tasks/a/checkpoints/* | sort -n | tail -n1 | cut -f1)
# Three times, as a virtual disk's speed varies.
for _ in 1 2 3; do
  sleep 3
  began=$(date +%s%N)
  dd if=/dev/zero of=dd bs=1M count=$((checkpoint >> 20)) conv=fsync status=none
  echo $((($(date +%s%N) - began) / 1000000))
  rm dd
done | sort -n >dd.ms
"$saturn" show --json runs/w 2>/dev/null >show.json
python3 - "${SWITCHES:-6}" "$checkpoint" "$(sed -n 2p dd.ms)" <<'PY'
import json, sys
switches, size, dd = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) / 1000
task = json.load(open("show.json"))["tasks"][0]
each = task["seconds"]["switching"] / switches
print(f"{switches} switches: {each:.2f} s each; checkpoint {size / 1e6:.0f} MB, dd with fsync {dd:.2f} s; target {1 + dd:.2f} s")
PY
