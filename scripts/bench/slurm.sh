#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What starts and lost nodes take on a Slurm, whose nodes are all on this machine (scripts/slurm/test-cluster).
#
#   [STARTS=5] [OFFS=3] scripts/bench/slurm.sh [BUILD_DIRECTORY]
#
# starts: 40 gangs of one process each on 4 nodes of 10 slots, due at the same moment: seconds until the last has been spawned
# on its node, has said that it is there and has been released. power-off: of three nodes of one slot, one that trains a small GPT is switched off:
# milliseconds until it is known to be lost, and until its task trains again elsewhere, from its checkpoint.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build/release}" && pwd)
saturn=$build/bin/saturn
cluster=$root/scripts/slurm/test-cluster
cmake --build "$build" --target saturn saturn-worker parallelisms >/dev/null
scratch=$(mktemp -d)
end() {
  "$cluster" stop 2>/dev/null || true
  rm -rf "$scratch"
}
trap end EXIT
cd "$scratch"
export XDG_CACHE_HOME=$scratch/cache
unset SLURM_JOB_ID CUDA_VISIBLE_DEVICES

start() { # NODES
  local environment
  environment=$(TMPDIR=$scratch "$cluster" start --until-pid $$ "$1")
  eval "$environment"
}
until_count() { # NUMBER RECORD: so many of them are in the journal
  for ((i = 0; i < 6000; ++i)); do
    [[ $(grep -c "\"record\":\"$2\"" runs/w/journal.jsonl 2>/dev/null || true) -lt $1 ]] || return 0
    sleep 0.02
  done
  echo "slurm.sh: no $1 records $2 within two minutes; the run said:" >&2
  tail -n 20 saturn.log >&2
  exit 1
}

cat >parallelism.yaml <<'YAML'
name: sh
kind: command
command: [sh, steps.sh]
devices: [1]
YAML
cat >steps.sh <<'SH'
for i in 1 2 3 4; do echo "{\"event\":\"step\",\"step\":$i}"; sleep 0.5; done
SH
python3 - >starts.yaml <<'PY'
print("name: w\ncluster: slurm\ntasks:\n  - {name: 't{arguments.number}', steps: 4, arguments: {number: 0}, same_speed: [number], "
      f"sweep: {{grid: {{arguments.number: {list(range(1, 41))}}}}}}}\nrun: {{introspection_interval: 0}}\nprofile: {{trial_time: 100ms}}")
PY
start 4x10
for ((n = 0; n < ${STARTS:-5}; ++n)); do
  rm -rf runs
  sbatch -W -N4 --exclusive -o saturn.log --wrap "exec '$saturn' run '$scratch/starts.yaml'" >/dev/null || {
    tail -n 20 saturn.log >&2
    exit 1
  }
  mv runs/w/journal.jsonl journal.$n
done
"$cluster" stop
python3 - journal.* <<'PY'
import json, statistics, sys

def times(path, kind):
    records = [json.loads(line) for line in open(path)]
    found = [record["at"] for record in records if record["record"] == kind]
    assert len(found) == 40, f"{path}: {len(found)} {kind}"
    return found

seconds = [max(times(path, "gang_released")) - min(times(path, "gang_started")) for path in sys.argv[1:]]
print(f"starts: 40 gangs on 4 nodes, {len(seconds)} times: median {statistics.median(seconds):.2f} s, "
      f"{min(seconds):.2f} to {max(seconds):.2f} s; target 0.5 s")
PY

rm -rf runs
seq 1 10000 >text.txt
cat >w.yaml <<'YAML'
name: w
cluster: slurm
parallelisms: [ddp]
defaults: {steps: 1000000, batch_size: 8, model: {layers: 2, heads: 4, width: 64, context: 32}, data: {files: text.txt}, devices: [1]}
tasks: [{name: a}, {name: b}]
run: {introspection_interval: 0, checkpoint_interval: 2s}
profile: {trial_time: 500ms}
YAML
for ((n = 0; n < ${OFFS:-3}; ++n)); do
  rm -rf runs
  start 3x1
  sbatch --no-kill -N3 --exclusive -o saturn.log --wrap "exec '$saturn' run w.yaml" >/dev/null
  until_count 2 gang_released
  sleep 6
  # The batch script, and one of the tasks, is on n1.
  node=$(sed -n 's/.*"record":"gang_started".*"node":"\(n[23]\)".*/\1/p' runs/w/journal.jsonl)
  began=$(date +%s%N)
  "$cluster" power-off "$node"
  until_count 1 devices_went_away
  lost=$((($(date +%s%N) - began) / 1000000))
  until_count 3 gang_released
  again=$((($(date +%s%N) - began) / 1000000))
  echo "power-off: known after $lost ms, its task trains again after $again ms, $((again - lost)) later"
  scancel 1
  "$cluster" stop
done
