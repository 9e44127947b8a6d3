#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# across_test.sh BIN_DIRECTORY ROOT: a gang over two nodes of a real Slurm's allocation, measured, planned and trained; one of the
# nodes is powered off on the way, the gang goes on on another two from its checkpoint, and the weights are those of a
# run on one node. (The search chooses no micro-batch: other ones add up in another order.)
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
[ -x "$1/saturn-worker" ] || { echo 'skipped: saturn-worker is not built' && exit 77; }
start_slurm 3x1
unset SLURM_JOB_ID

seq 1 3000 >text.txt
workload() { # NAME CLUSTER ACROSS_NODES
  cat >"$1.yaml" <<EOF2
name: $1
cluster: $2
parallelisms: [ddp]
tasks:
  - {name: a, steps: 4000, batch_size: 8, micro_batch_size: 4, devices: [2], across_nodes: $3, checkpoint_every_steps: 200, optimizer: {lr: 1e-3},
     model: {layers: 1, heads: 2, width: 32, context: 16}, data: {files: text.txt, validation_fraction: 0.2}}
profile: {trial_time: 500ms}
EOF2
}
workload one '{slots: 2}' 1
expect 0 "$saturn" run one.yaml

workload two slurm 2
happened() { grep -q "\"record\":\"$1\"" runs/two/journal.jsonl; }
state_is() { [[ $(scontrol show job 1 -o) == *" JobState=$1 "* ]]; }
expect 0 sbatch --no-kill -N3 --exclusive -o saturn.log --wrap "exec '$saturn' run two.yaml"
until_true 120 happened checkpoint_written
says runs/two/plan.json '"further": ['
gang=$(grep '"record":"gang_started"' runs/two/journal.jsonl | head -n1)
second=$(sed -n 's/.*"further":\[{"node":"\(n[123]\)".*/\1/p' <<<"$gang")
[ -n "$second" ] || fail "no gang over two nodes: $gang"

"$cluster" power-off "$second"
until_true 60 happened devices_went_away
until_true 180 state_is COMPLETED
says saturn.log '1 task: 1 finished'
grep '"record":"gang_started"' runs/two/journal.jsonl | tail -n1 | grep -qv "\"$second\"" || fail 'it went on on a node without power'
grep '"record":"gang_started"' runs/two/journal.jsonl | tail -n1 | grep -q '"step":0' && fail 'it went on from the beginning'
cmp runs/one/tasks/a/model.safetensors runs/two/tasks/a/model.safetensors || fail 'other weights than on one node'
