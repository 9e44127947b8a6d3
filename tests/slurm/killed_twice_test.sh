#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# killed_twice_test.sh BIN_DIRECTORY ROOT: the template on a real Slurm with real training, ended twice: by the time limit, after
# which Slurm starts it again, and by a node that is powered off. It comes to its end, and every weight is that of a run on
# one machine that nothing happened to. (The search chooses no micro-batch: other ones add up in another order.)
# shellcheck source=tests/slurm/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
[ -x "$1/saturn-worker" ] || { echo 'skipped: saturn-worker is not built' && exit 77; }
template=$2/scripts/slurm/saturn.sbatch
start_slurm 2x1
export SATURN=$saturn

seq 1 3000 >text.txt
workload() { # NAME CLUSTER
  cat >"$1.yaml" <<EOF2
name: $1
cluster: $2
parallelisms: [ddp]
tasks:
  - {name: "t{seed}", steps: 8000, batch_size: 8, micro_batch_size: 8, devices: [1], checkpoint_every_steps: 200, optimizer: {lr: 1e-3},
     model: {layers: 1, heads: 2, width: 32, context: 16}, data: {files: text.txt, validation_fraction: 0.2},
     sweep: {grid: {seed: [1, 2, 3, 4]}}}
profile: {trial_time: 500ms}
EOF2
}
workload undisturbed '{slots: 2}' # one core each, as on the nodes: two threads add up in another order
workload w slurm
state_is() { [[ $(scontrol show job 1 -o) == *" JobState=$1 "* ]]; }
count() { grep -c "\"record\":\"$1\"" runs/w/journal.jsonl; }
left_steps() { [ "$(count task_finished)" -lt 4 ] || fail 'nothing was left to do'; }
started_again() { # a requeued job would wait two minutes for its turn, and have no more time than before
  [[ $(scontrol show job 1 -o) == *' Restarts=1 '* ]] || return 1
  if state_is PENDING; then scontrol update JobId=1 StartTime=now TimeLimit=20; fi
  state_is RUNNING
}
trained_again_on() { # NODE: after the second start a gang began there, and a checkpoint has been written since
  awk -v node="\"node\":\"$1\"" '
    /"record":"session_started"/ { ++sessions }
    sessions >= 2 && /"record":"gang_started"/ && index($0, node) { began = 1 }
    began && /"record":"checkpoint_written"/ { saved = 1 }
    END { exit !saved }' runs/w/journal.jsonl
}

expect 0 sbatch --no-kill -N2 --gpus-per-node=0 --time=1 --output=saturn.log "$template" w.yaml --requeue --time-reserve 40s
until_true 120 started_again
says saturn.log 'Slurm job 1 is requeued'
left_steps
until_true 60 trained_again_on n2
left_steps
"$cluster" power-off n2
gone() { grep -q '"record":"devices_went_away"' runs/w/journal.jsonl; }
until_true 60 gone
until_true 240 state_is COMPLETED
says saturn.log '4 tasks: 4 finished'

unset SLURM_JOB_ID
expect 0 "$saturn" run undisturbed.yaml
for seed in 1 2 3 4; do
  cmp "runs/undisturbed/tasks/t$seed/model.safetensors" "runs/w/tasks/t$seed/model.safetensors" || fail "t$seed has other weights"
done
